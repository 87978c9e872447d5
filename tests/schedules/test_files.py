from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import ConfigError
from edge_agent.profiles.feature import shipped_directory
from edge_agent.schedules.book import Book
from edge_agent.schedules.files import read_schedules, schedules_in
from edge_agent.schedules.store import Saved
from tests.schedules.places import NOWHERE, PARIS


def test_a_fault_costs_its_own_schedule_only_and_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('dawn: {cron: "0 7 * * *", profile: day}\nbad: {cron: 5}\nworse: 7\n')
    (tmp_path / "b.yaml").write_text("[")
    (tmp_path / "c.yaml").write_text("# nothing yet\n")
    (tmp_path / "d.yaml").write_text("- dawn\n")
    (tmp_path / "e.yaml").mkdir()
    (tmp_path / "f.yaml").write_text('dusk: {cron: "0 20 * * *", profile: night, enabled: false}\n')
    (tmp_path / "g.yaml").write_bytes(b"\xff\xfe\x00")
    entries, wrong = read_schedules([tmp_path, tmp_path / "nowhere"])
    assert [(name, entry.schedule.enabled, entry.line) for name, entry in entries.items()] == [
        ("dawn", True, 1),
        ("dusk", False, 1),
    ]
    assert [message.removeprefix(str(tmp_path)) for message in wrong] == [
        "/a.yaml, line 2: schedule 'bad': give a 'profile' or a 'command'",
        "/a.yaml, line 3: schedule 'worse' must be keys and values, like 'cron: \"0 7 * * *\"'",
        "/b.yaml, line 1: this is not valid YAML: expected the node content, but found '<stream end>'",
        "/d.yaml: a file of schedules maps names to schedules",
        "/e.yaml: Is a directory",
        "/g.yaml: this is not UTF-8 text",
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('x:\n  corn: "0 7 * * *"\n  profile: p', 2, "unknown key 'x.corn'; did you mean 'cron'?"),
        ("x:\n  at: 7:00\n  profile: p", 2, "'at': '420' is no date with a time"),
        ("x:\n  at: 7:00\n  profile: p", 2, "a time like 7:00 in a YAML list needs quotes"),
        ("x:\n  at: 2026-02-30 12:00\n  profile: p", 2, "day is out of range for month"),
        ("x:\n  at: 2026-02-03\n  profile: p", 2, "has no time; right is one like '2026-02-03 18:00'"),
        ("x:\n  at: soon\n  profile: p", 2, "'soon' is no date with a time"),
        ("x:\n  at: {}\n  profile: p", 2, "'at'"),
        ("x:\n  sun:\n    event: sunst\n  profile: p", 3, "'sunset', 'dawn' or 'dusk', not 'sunst'; did you"),
        ("x:\n  sun:\n    event: dawn\n    offset: 30\n  profile: p", 4, "'30' has no unit; right is 30s"),
        ("x:\n  sun:\n    event: dawn\n    not_before: 7\n  profile: p", 4, "'7' is no time of day"),
        ("x:\n  sun:\n    event: dawn\n    not_before: 24:30\n  profile: p", 4, "there is no time 24:30"),
        ("x:\n  interval: {every: 0s}\n  profile: p", 2, "'interval.every': '0s' is shorter than 1s"),
        ("x:\n  interval: {every: often}\n  profile: p", 2, "'often' is no duration"),
        ("x:\n  interval: {}\n  profile: p", 2, "'interval.every' is missing"),
        ("x:\n  at: 2026-02-03 7:00\n  days: [mo]\n  profile: p", 3, "'mo' is no day of the week"),
        ("x:\n  at: 2026-02-03 7:00\n  days: 3\n  profile: p", 3, "it should be a list like [mon-fri, sun]"),
        ('x:\n  cron: "0 7 * * *"\n  from: 02-30\n  profile: p', 3, "there is no date 02-30"),
        ('x:\n  cron: "0 7 * * *"\n  until: 2.3.\n  profile: p', 3, "'2.3.' is no date; right is month and"),
        ('x:\n  cron: "0 7 * * *"\n  except: [12-24..2027-01-06]\n  profile: p', 3, "a year on one side"),
        (
            'x:\n  cron: "0 7 * * *"\n  except: 2027-01-06..2026-01-01\n  profile: p',
            3,
            "ends before it begins",
        ),
        ('x:\n  cron: "0 7 * * *"\n  misfire: once\n  profile: p', 3, "did you mean 'run_once'?"),
        ('x:\n  cron: "0 7 * * *"\n  misfire: {run_if_within: 10}\n  profile: p', 3, "'10' has no unit"),
        ('x:\n  cron: "0 7 * * *"\n  priority: 9999\n  profile: p', 3, "from -1000 to 1000, not 9999"),
        ('x:\n  cron: "0 7 * * *"\n  name: y\n  profile: p', 3, "its name is the key above it; leave"),
        ("x:\n  cron: * * * * *\n  profile: p", 2, "a value that begins with '*' must be quoted"),
        ('x:\n  cron: "0 7 * * *"\n  cron: "0 8 * * *"\n  profile: p', 3, "given twice"),
        (
            'x:\n  profile: p\n  cron: "0 7 * * *"\n  at: 2026-01-01 1:00',
            1,
            "exactly one of cron, interval, at",
        ),
        ("x:\n  profile: p", 1, "give exactly one of cron, interval, at and sun"),
        ('x: {cron: "0 7 * * *", profile: p, command: c}', 1, "a 'profile' or a 'command', not both"),
        ('x: {cron: "0 7 * * *", profile: p, arguments: 1}', 1, "'arguments' are a command's"),
        ('x: {cron: "0 7 * * *", command: c, for: 2h}', 1, "'for' and 'until_time' are a profile's"),
        ('x: {cron: "0 7 * * *", profile: p, for: 2h, until_time: 6:00}', 1, "give 'for' or 'until_time'"),
        ('x: {cron: "0 7 * * *", profile: p, from: 01-01, until: 2026-02-02}', 1, "both have a year"),
        ('x: {cron: "0 7 * * *", profile: p, from: 2026-03-01, until: 2026-02-02}', 1, "is before 'from'"),
        ('Evening: {cron: "0 7 * * *", profile: p}', 1, "'name' must be text that matches"),
        ("x:", 1, "give exactly one of"),
    ],
)
def test_each_mistake_is_told_with_line_and_key(text: str, line: int, said: str) -> None:
    good = '# a garden\n\ndusk: {cron: "0 20 * * *", profile: night}\n'
    try:
        entries, wrong = schedules_in(good + text, source="garden.yaml")
    except ConfigError as error:
        wrong, entries = [str(error)], []
        assert "YAML" in wrong[0]
    else:
        assert [entry.schedule.name for entry in entries] == ["dusk"]
    assert any(message.startswith(f"garden.yaml, line {line + 3}: ") for message in wrong), wrong
    assert any(said in message for message in wrong), wrong


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    [entry], wrong = schedules_in(
        "x: {at: 2026-12-24 18:00, profile: off, until_time: 22:00, from: 12-01, description: 1e5}",
        source="x",
    )
    assert wrong == []
    schedule = entry.schedule
    assert (schedule.at, schedule.profile, schedule.until_time) == (("2026-12-24 18:00",), "off", "22:00")
    assert (schedule.from_, schedule.description) == ("12-01", "1e5")


def test_a_later_file_takes_an_earlier_ones_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        'x: {cron: "0 7 * * *", profile: day}\ny: {cron: "0 7 * * *", profile: p}'
    )
    (tmp_path / "b.yaml").write_text('x: {cron: "0 8 * * *", profile: night}\n')
    entries, wrong = read_schedules([tmp_path])
    assert wrong == []
    assert [(name, entry.schedule.profile) for name, entry in entries.items()] == [("y", "p"), ("x", "night")]


def test_what_a_definition_says_is_what_was_written() -> None:
    text = """
x:
  description: In winter
  sun: {event: dusk, offset: "-30m", not_before: "16:00"}
  days: [mon-fri]
  from: 10-01
  until: 03-31
  except: [12-24..01-06]
  profile: night
  until_time: 23:00
  priority: 5
  misfire: {run_if_within: 10m}
"""
    [entry], _ = schedules_in(text, source="x")
    assert entry.schedule.document() == {
        "description": "In winter",
        "sun": {"event": "dusk", "offset": "-30m", "not_before": "16:00"},
        "days": ["mon-fri"],
        "from": "10-01",
        "until": "03-31",
        "except": ["12-24..01-06"],
        "profile": "night",
        "until_time": "23:00",
        "priority": 5,
        "misfire": {"run_if_within": "10m"},
    }


def test_what_can_never_come_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "never:\n  cron: 0 7 30 2 *\n  profile: p\n"
        "dark:\n  sun:\n    event: sunset\n  profile: p\n"
        "good:\n  cron: 0 7 * * *\n  profile: p\n"
        'mistyped:\n  profile: p\n  cron: "0 25 * * *"\n'
    )
    book = Book.read(directories=[tmp_path], saved=Saved(), place=NOWHERE)
    assert list(book.plans) == ["good"]
    told = [message.removeprefix(str(tmp_path))[:95] for message in book.wrong.values()]
    assert told == [
        "/a.yaml, line 2: schedule 'never': cron '0 7 30 2 *': there is no such day",
        "/a.yaml, line 5: schedule 'dark': 'sun' needs to know where this is: set profiles.latitude and ",
        "/a.yaml, line 13: schedule 'mistyped': cron '0 25 * * *': hour '25': the last value (25) is hig",
    ]


def test_what_is_shipped_is_without_faults() -> None:
    place = shipped_directory()
    assert place is not None
    book = Book.read(directories=[place], saved=Saved(), place=PARIS)
    assert (book.file_problems, book.wrong) == ([], {})
    assert book.plans
