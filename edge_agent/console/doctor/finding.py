"""What one check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Finding", "State", "failed", "ok", "warned"]

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`check` is what was looked at, `message` what is so, `advice` what to do, if anything."""

    check: str
    state: State
    message: str
    advice: str = ""

    def document(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, state="ok", message=message)


def warned(check: str, message: str, advice: str) -> Finding:
    """Return what works, and should be better."""
    return Finding(check=check, state="warn", message=message, advice=advice)


def failed(check: str, message: str, advice: str) -> Finding:
    """Return what does not work."""
    return Finding(check=check, state="fail", message=message, advice=advice)
