from __future__ import annotations

import asyncio
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contract.journal import Journal
from tests.clocks import ManualClock


def journal_at(
    path: Path, *, clock: ManualClock | None = None, window_s: float = 3600, max_entries: int = 100
) -> Journal:
    return Journal(
        path=path / "journal.jsonl",
        clock=clock or ManualClock(),
        window_s=window_s,
        max_entries=max_entries,
    )


def outcome(number: int) -> dict[str, Any]:
    return {"command": "light", "state": "done", "number": number, "text": "ü\n"}


def test_an_outcome_is_found_by_the_next_process(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    assert journal.open() == []
    journal.begin("k", "light")
    journal.finish("k", outcome(1))
    journal.close()
    later = journal_at(tmp_path)
    assert later.open() == []
    entry = later.find("k")
    assert entry is not None
    assert (entry.command, entry.outcome) == ("light", outcome(1))


def test_what_was_under_way_is_returned_at_the_start(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    journal.open()
    journal.begin("done", "light")
    journal.begin("cut", "scan")
    journal.finish("done", outcome(1))
    assert [(entry.key, entry.command) for entry in journal_at(tmp_path).open()] == [("cut", "scan")]


def test_a_file_cut_at_any_byte_keeps_every_whole_line(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    journal.open()
    for number in range(3):
        journal.begin(f"k{number}", "light")
        journal.finish(f"k{number}", outcome(number))
    whole = (tmp_path / "journal.jsonl").read_bytes()
    for length in range(len(whole) + 1):
        place = tmp_path / str(length)
        place.mkdir()
        (place / "journal.jsonl").write_bytes(whole[:length])
        cut = journal_at(place)
        opened = {entry.key for entry in cut.open()}
        # A line without its end is whole all the same.
        lines = whole[:length].count(b"\n") + (whole[length : length + 1] == b"\n")
        begun, finished = (lines + 1) // 2, lines // 2
        for number in range(3):
            entry = cut.find(f"k{number}")
            assert (entry is not None) == (number < begun)
            assert (entry is not None and entry.outcome == outcome(number)) == (number < finished)
        assert opened == ({f"k{finished}"} if begun > finished else set())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 1000,
        b"\xff\xfe\xfd\n",
        b"[" * 100_000 + b"\n",
        b'null\n5\n[]\n{}\n"text"\n',
        b'{"key":"k","command":"c","time":"never","outcome":null}\n',
        b'{"key":"k","command":"c","time":"0001-01-01T00:00:00+23:59","outcome":null}\n',
        b'{"key":"k","command":"c","time":5,"outcome":null}\n',
        b'{"key":"k","command":"c","time":"2026-06-15T11:00:00Z","outcome":[]}\n',
    ],
)
def test_garbage_is_passed_over_and_told_once(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    good = b'{"key":"good","command":"c","time":"2026-06-15T11:30:00Z","outcome":{}}\n'
    (tmp_path / "journal.jsonl").write_bytes(garbage + b"\n" + good)
    journal = journal_at(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert journal.open() == []
    assert journal.find("good") is not None
    assert journal.find("k") is None
    assert len(caplog.records) == 1


def test_a_torn_last_line_does_not_swallow_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'{"key":"cut","comma')
    journal = journal_at(tmp_path)

    def refuse(_from: str, _to: Path) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        journal.open()  # it cannot be compacted
    journal.begin("k", "light")
    assert [entry.key for entry in journal_at(tmp_path).open()] == ["k"]


def test_a_write_that_ends_half_way_is_trouble_until_one_goes_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_at(tmp_path)
    journal.open()
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
        journal.begin("half", "light")
    assert journal.trouble is not None
    assert "No space left" in journal.trouble
    journal.begin("k", "light")
    assert journal.trouble is None
    # Written as a whole then: what the disk refused is not forgotten either.
    assert [entry.key for entry in journal_at(tmp_path).open()] == ["half", "k"]


@pytest.mark.parametrize("compacted", [False, True])
def test_what_ended_while_the_disk_was_full_is_not_under_way_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, compacted: bool
) -> None:
    journal = journal_at(tmp_path)
    journal.open()
    for key in ("before", "k", "cut"):
        journal.begin(key, "light")
    if compacted:
        # As after so many lines; what is under way has another place in the file then.
        journal._compact()

    def refuse(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        journal.finish("k", outcome(1))
    assert journal.trouble is not None
    journal.close()
    later = journal_at(tmp_path)
    # Its caller was answered: a second answer at the start would be another one.
    assert [entry.key for entry in later.open()] == ["before", "cut"]
    assert later.find("k") is None


def test_the_file_stays_bounded_and_loses_nothing_that_is_known(tmp_path: Path) -> None:
    journal = journal_at(tmp_path, max_entries=10)
    journal.open()
    largest = 0
    for number in range(500):
        journal.begin(f"k{number}", "light")
        assert journal.find(f"k{number}") is not None
        journal.finish(f"k{number}", outcome(number))
        largest = max(largest, (tmp_path / "journal.jsonl").read_bytes().count(b"\n"))
    assert largest <= 2 * 10 + 100 + 1
    assert [journal.find(f"k{number}") is not None for number in (489, 490, 499)] == [False, True, True]
    later = journal_at(tmp_path, max_entries=10)
    later.open()
    assert later.find("k499") is not None
    assert later.find("k489") is None


def test_compacting_in_the_middle_of_a_command_keeps_it(tmp_path: Path) -> None:
    journal = journal_at(tmp_path, max_entries=1)
    journal.open()
    for number in range(200):
        journal.begin(f"k{number}", "light")
        assert [entry.key for entry in journal_at(tmp_path, max_entries=1).open()] == [f"k{number}"]
        journal.close()  # the other one has put a new file in the place of this one's
        journal.finish(f"k{number}", outcome(number))


def test_an_id_is_forgotten_after_the_window(tmp_path: Path) -> None:
    clock = ManualClock()
    journal = journal_at(tmp_path, clock=clock, window_s=60)
    journal.open()
    journal.begin("k", "light")
    journal.finish("k", outcome(1))
    clock.advance(60)
    assert journal.find("k") is not None
    clock.advance(1)
    assert journal.find("k") is None


def test_the_window_goes_on_over_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    first = journal_at(tmp_path, clock=clock, window_s=60)
    first.open()
    first.begin("k", "light")
    first.finish("k", outcome(1))
    clock.advance(40)
    second = journal_at(tmp_path, clock=clock, window_s=60)
    second.open()
    assert second.find("k") is not None
    clock.advance(21)
    assert second.find("k") is None


@pytest.mark.parametrize("year", [1970, 2099])
def test_a_wall_clock_that_jumps_forgets_nothing(tmp_path: Path, year: int) -> None:
    clock = ManualClock()
    journal = journal_at(tmp_path, clock=clock, window_s=60)
    journal.open()
    journal.begin("k", "light")
    journal.finish("k", outcome(1))
    clock.set_now(datetime(year, 1, 1, tzinfo=UTC))
    assert journal.find("k") is not None
    clock.advance(61)
    assert journal.find("k") is None


def test_entries_of_the_future_count_as_new_after_a_start(tmp_path: Path) -> None:
    clock = ManualClock()
    journal = journal_at(tmp_path, clock=clock, window_s=60)
    journal.open()
    journal.begin("k", "light")
    journal.finish("k", outcome(1))
    clock.set_now(clock.now() - timedelta(days=400))
    later = journal_at(tmp_path, clock=clock, window_s=60)
    later.open()
    assert later.find("k") is not None
    clock.advance(61)
    assert later.find("k") is None


def test_what_is_remembered_only_is_not_on_disk(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    journal.open()
    journal.remember("k", "light", outcome(1))
    assert journal.find("k") is not None
    later = journal_at(tmp_path)
    later.open()
    assert later.find("k") is None


def test_a_directory_that_cannot_be_written_is_trouble_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    told: list[str | None] = []
    journal = Journal(
        path=tmp_path / "file" / "journal.jsonl",
        clock=ManualClock(),
        window_s=60,
        max_entries=10,
        on_trouble=told.append,
    )
    with caplog.at_level(logging.WARNING):
        journal.open()
        journal.begin("k", "light")
        journal.finish("k", outcome(1))
    assert sum("cannot be written" in record.message for record in caplog.records) == 1
    assert journal.trouble is not None
    assert "journal.jsonl" in journal.trouble
    assert told == [journal.trouble] * len(told)
    assert told
    found = journal.find("k")
    assert found is not None
    assert found.outcome == outcome(1)


def test_the_journal_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    journal.open()
    journal.begin("k", "light")
    assert (tmp_path / "journal.jsonl").stat().st_mode & 0o777 == 0o600


async def test_a_disk_that_takes_it_again_is_noticed_without_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str | None] = []
    monkeypatch.setattr("edge_agent.contract.journal.RETRY_EVERY_S", 0.01)
    blocked = tmp_path / "state"
    blocked.write_text("")
    ended = asyncio.Event()

    def tell(trouble: str | None) -> None:
        told.append(trouble)
        if trouble is None:
            ended.set()

    journal = Journal(
        path=blocked / "journal.jsonl",
        clock=ManualClock(),
        window_s=60,
        max_entries=10,
        on_trouble=tell,
    )
    journal.open()
    journal.begin("k", "light")
    assert len(told) == 1
    blocked.unlink()
    async with asyncio.timeout(5):
        await ended.wait()
    journal.close()
    assert [entry.key for entry in journal_at(blocked).open()] == ["k"]
