from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.errors import StorageError
from edge_agent.mqtt.validity import Validity
from edge_agent.security.certificates import first_to_expire


def certificate(path: Path, days: int, key: str = "ec") -> Path:
    options = ["-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else []
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", key, *options, "-nodes", "-days", str(days),
         "-subj", "/CN=x/O=y",         "-keyout", f"{path}.key", "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def says(path: Path) -> Validity:
    told = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-startdate", "-enddate"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    times = (line.partition("=")[2] for line in told.splitlines())
    return Validity(*(datetime.strptime(time, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC) for time in times))


# 2050 is where the encoding of the time changes.
@pytest.mark.parametrize("days", [1, 400, 365 * 40])
def test_it_says_what_openssl_says(tmp_path: Path, days: int) -> None:
    path = certificate(tmp_path / "c.pem", days)
    assert first_to_expire(path) == says(path)


def test_the_earliest_or_the_first_counts(tmp_path: Path) -> None:
    late, soon = certificate(tmp_path / "late.pem", 100), certificate(tmp_path / "soon.pem", 5)
    both = tmp_path / "both.pem"
    both.write_bytes(b"a comment\n" + late.read_bytes() + soon.read_bytes())
    assert first_to_expire(both) == says(soon)
    assert first_to_expire(both, first_only=True) == says(late)


def test_a_damaged_file_is_not_understood_and_stops_nobody(tmp_path: Path) -> None:
    whole = certificate(tmp_path / "c.pem", 5).read_bytes()
    damaged = tmp_path / "d.pem"
    for cut in range(0, len(whole), 37):
        damaged.write_bytes(whole[:cut])
        assert first_to_expire(damaged) is None
        damaged.write_bytes(whole[:cut] + bytes([whole[cut] ^ 0x15]) + whole[cut + 1 :])
        found = first_to_expire(damaged)
        assert found is None or found.ends_at > datetime(1950, 1, 1, tzinfo=UTC) - timedelta(days=1)


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.pem cannot be read"):
        first_to_expire(tmp_path / "none.pem")


DAY = timedelta(days=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("life", "soon_before_end"),
    [(3650 * DAY, 14 * DAY), (90 * DAY, 14 * DAY), (6 * DAY, 1.5 * DAY), (DAY, DAY / 4)],
    ids=["an authority", "90 days", "6 days", "a day"],
)
def test_it_ends_soon_by_how_long_it_lives(life: timedelta, soon_before_end: timedelta) -> None:
    validity = Validity(BEGIN, BEGIN + life)
    soon = validity.ends_at - soon_before_end
    assert not validity.ends_soon(BEGIN)
    assert not validity.ends_soon(soon - timedelta(seconds=1))
    assert validity.ends_soon(soon + timedelta(seconds=1))
    assert validity.ends_soon(validity.ends_at + DAY)
