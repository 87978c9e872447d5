"""Who this node is to Home Assistant: the same over reinstallations, another on a card that was cloned."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Final

__all__ = ["Identity", "identity_of"]

_SERIAL_FILES: Final = (
    "proc/device-tree/serial-number",
    "sys/class/dmi/id/product_uuid",
    "etc/machine-id",
)
_MAX_BYTES: Final = 256


class Identity:
    """`unique_id` for machines; `serial` for people, null where the machine says none."""

    def __init__(self, *, unique_id: str, serial: str | None) -> None:
        self.unique_id = unique_id
        self.serial = serial


def identity_of(node: str, *, root: Path = Path("/")) -> Identity:
    """Return the identity of a node on this machine. Two nodes of one machine are two."""
    board = _read(root / _SERIAL_FILES[0])
    hardware = board
    for name in _SERIAL_FILES[1:]:
        hardware = hardware or _read(root / name)
    hardware = hardware or f"{uuid.getnode():012x}"
    digest = hashlib.sha256(f"{hardware}/{node}".encode()).hexdigest()
    return Identity(unique_id=f"edge_agent_{digest[:12]}", serial=board)


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("ascii", "ignore")
    except OSError:
        return None
    # The device tree ends its texts with a NUL.
    return text.strip("\0 \n") or None
