"""How long a certificate is good."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["Validity", "shown_by"]

_SOON: Final = timedelta(days=14)
# One of a day, as some authorities give them, is renewed some hours before its end.
_SOON_OF_ITS_LIFE: Final = 1 / 4


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate is good."""

    begins_at: datetime
    ends_at: datetime

    def ends_soon(self, now: datetime) -> bool:
        """Whether it should have been renewed by now: two weeks before its end, or for its last quarter."""
        return self.ends_at - now < min(_SOON, (self.ends_at - self.begins_at) * _SOON_OF_ITS_LIFE)


def shown_by(connection: socket.socket | None) -> Validity | None:
    """Return how long the other side's own certificate is good, None where none is shown or understood."""
    if not isinstance(connection, ssl.SSLSocket):
        return None
    # A connection that is over again, or a time beyond what Python counts: neither is a reason to fail here.
    with contextlib.suppress(OSError, KeyError, ValueError, OverflowError):
        shown = connection.getpeercert() or {}
        begins_at, ends_at = (
            datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown[key])), UTC)
            for key in ("notBefore", "notAfter")
        )
        return Validity(begins_at, ends_at)
    return None
