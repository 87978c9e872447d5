"""Pictures for tests: noise that is the same for the same number, and what is known of it."""

from __future__ import annotations

import hashlib
from random import Random
from typing import Any

from edge_agent.snapshots.picture import Picture

__all__ = ["content_of", "picture_of"]


def content_of(number: int, size_bytes: int = 3000) -> bytes:
    """Return a picture's bytes, the same for the same number."""
    return Random(number).randbytes(size_bytes)


def picture_of(number: int, content: bytes | None = None, **facts: Any) -> Picture:
    """Return what is known of a picture."""
    content = content_of(number) if content is None else content
    return Picture(
        **{
            "id": f"20261121T00{number // 60 % 60:02d}{number % 60:02d}000Z-{number + 1:04d}",
            "time": f"2026-11-21T00:{number // 60 % 60:02d}:{number % 60:02d}.000Z",
            "format": "jpeg",
            "width": 16,
            "height": 16,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "cause": "command a1",
            **facts,
        }
    )
