"""How long the certificates in a PEM file are good, read without a library beyond Python's own."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge_agent.errors import StorageError
from edge_agent.mqtt.validity import Validity

__all__ = ["first_to_expire"]

_MAX_BYTES: Final = 4 * 1024 * 1024
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


def first_to_expire(file: Path, *, first_only: bool = False) -> Validity | None:
    """Return the validity of what expires first of a file's certificates, None where none is understood.

    `first_only` looks at the first one, which in a client's chain is its own. Raises StorageError.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(_MAX_BYTES).decode(errors="replace")
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror or error}", value=str(file)) from error
    blocks = _PEM.findall(text)
    found = (_validity(pem) for pem in (blocks[:1] if first_only else blocks))
    known = (validity for validity in found if validity is not None)
    return min(known, key=lambda validity: validity.ends_at, default=None)


def _validity(pem: str) -> Validity | None:
    try:
        certificate = next(_elements(ssl.PEM_cert_to_DER_cert(pem)))
        signed = next(_elements(certificate[1]))
        fields = [field for field in _elements(signed[1]) if field[0] != _VERSION]
        # serial, algorithm, issuer, validity: two times.
        begins, ends = (_time(tag, content.decode("ascii")) for tag, content in _elements(fields[3][1]))
        return Validity(begins, ends)
    except (ValueError, IndexError, StopIteration):
        return None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the elements of DER: tag and content. Raises ValueError or IndexError on nonsense."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size])
            at += size
        if at + length > len(data):
            raise ValueError("it ends too early")
        yield tag, data[at : at + length]
        at += length


def _time(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:
        # Two digits of the year: 50 and above are of the last century.
        text = f"{'19' if int(text[:2]) >= 50 else '20'}{text}"
    elif tag != _GENERALIZED_TIME:
        raise ValueError("this is no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
