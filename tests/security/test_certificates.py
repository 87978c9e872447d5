from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.errors import StorageError
from edge_agent.security.certificates import earliest_expiry


def certificate(path: Path, days: int, key: str = "ec") -> Path:
    options = ["-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else []
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", key, *options, "-nodes", "-days", str(days),
         "-subj", "/CN=x/O=y",         "-keyout", f"{path}.key", "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def says(path: Path) -> datetime:
    told = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-enddate"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return datetime.strptime(told.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


# 2050 is where the encoding of the time changes.
@pytest.mark.parametrize("days", [1, 400, 365 * 40])
def test_it_says_what_openssl_says(tmp_path: Path, days: int) -> None:
    path = certificate(tmp_path / "c.pem", days)
    assert earliest_expiry(path) == says(path)


def test_the_earliest_or_the_first_counts(tmp_path: Path) -> None:
    late, soon = certificate(tmp_path / "late.pem", 100), certificate(tmp_path / "soon.pem", 5)
    both = tmp_path / "both.pem"
    both.write_bytes(b"a comment\n" + late.read_bytes() + soon.read_bytes())
    assert earliest_expiry(both) == says(soon)
    assert earliest_expiry(both, first_only=True) == says(late)


def test_a_damaged_file_is_not_understood_and_stops_nobody(tmp_path: Path) -> None:
    whole = certificate(tmp_path / "c.pem", 5).read_bytes()
    damaged = tmp_path / "d.pem"
    for cut in range(0, len(whole), 37):
        damaged.write_bytes(whole[:cut])
        assert earliest_expiry(damaged) is None
        damaged.write_bytes(whole[:cut] + bytes([whole[cut] ^ 0x15]) + whole[cut + 1 :])
        found = earliest_expiry(damaged)
        assert found is None or found > datetime(1950, 1, 1, tzinfo=UTC) - timedelta(days=1)


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.pem cannot be read"):
        earliest_expiry(tmp_path / "none.pem")
