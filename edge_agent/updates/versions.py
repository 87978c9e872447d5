"""Versions: what is one, and which of two is newer where dpkg is not there to say so."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["VERSION_PATTERN", "is_newer", "is_version"]

# As Debian writes them. It begins with a digit, so that it is never an option, and ends with no sign, which
# apt-get would take for one of its own.
VERSION_PATTERN: Final = r"^(?:[0-9]{1,3}:)?[0-9](?:[A-Za-z0-9.+~-]{0,62}[A-Za-z0-9~])?$"
_VERSION: Final = re.compile(VERSION_PATTERN)
_NUMBER: Final = 2
_PARTS: Final = re.compile(r"\d+|[A-Za-z]+|~")
# What comes before the version itself: 1.0~rc1, 1.0rc1, 1.0.dev3.
_BEFORE: Final = frozenset({"~", "a", "alpha", "b", "beta", "c", "rc", "pre", "preview", "dev"})


def is_version(text: object) -> bool:
    """Whether this is a version."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def is_newer(version: str, than: str) -> bool:
    """Whether a version comes after another: numbers count as such, `rc` and the like come before."""
    return _key(version) > _key(than)


def _key(version: str) -> list[tuple[int, int, str]]:
    key: list[tuple[int, int, str]] = []
    # The end comes after what is before a version, and before everything else.
    for part in (*(_part(part.lower()) for part in _PARTS.findall(version)), (1, 0, "")):
        if part[0] != _NUMBER:
            # 1.0 is 1.0.0, and 1rc1 is 1.0rc1.
            while key and key[-1] == (_NUMBER, 0, ""):
                key.pop()
        key.append(part)
    return key


def _part(part: str) -> tuple[int, int, str]:
    if part.isdigit():
        return (_NUMBER, int(part), "")
    return (0 if part in _BEFORE else 1, 1, part)
