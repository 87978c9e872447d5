"""Every error that this program raises on purpose.

    EdgeAgentError
    ├── ConfigError              the configuration cannot be used; permanent until somebody edits it
    ├── RefusedError             a request was refused before anything was touched
    │   └── ExpiredError         it came too late
    ├── CameraError              the camera could not do what it was asked
    │   └── CameraUnavailableError   it is not there right now; transient
    ├── StreamError              the stream's target refused or failed
    ├── UploadError              an upload's server could not be reached, or broke off; transient
    ├── LinkError                the broker could not be reached; transient
    │   └── LinkRefusedError     the broker answered and said no
    ├── StorageError             the disk refused
    └── ProcessError             a child process died, hung or broke the protocol; transient

Foreign exceptions are translated into one of these once, where they are caught, `from` their cause.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar

__all__ = [
    "CameraError",
    "CameraUnavailableError",
    "ConfigError",
    "EdgeAgentError",
    "ExpiredError",
    "LinkError",
    "LinkRefusedError",
    "ProcessError",
    "RefusedError",
    "StorageError",
    "StreamError",
    "UploadError",
    "nearest",
    "suggestion",
]


class EdgeAgentError(Exception):
    """The root. `code` is stable and for machines, the message is for people and says what to do.

    `field`, `value` and `allowed` say where, which value and what would have been right, where there is
    such a thing. `transient` tells whether trying the same again can help.
    """

    default_code: ClassVar[str] = "internal"
    transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        value: Any = None,
        allowed: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.field = field
        self.value = value
        self.allowed = allowed


class ConfigError(EdgeAgentError):
    """The configuration cannot be used."""

    default_code = "config"


class RefusedError(EdgeAgentError):
    """A request was refused; nothing was changed."""

    default_code = "invalid"


class ExpiredError(RefusedError):
    """A request arrived after the time it was good for."""

    default_code = "expired"


class CameraError(EdgeAgentError):
    """The camera could not do what it was asked."""

    default_code = "camera_failed"


class CameraUnavailableError(CameraError):
    """The camera is not there right now."""

    default_code = "camera_unavailable"
    transient = True


class StreamError(EdgeAgentError):
    """The stream's target refused or failed."""

    default_code = "stream_failed"


class UploadError(EdgeAgentError):
    """An upload's server could not be reached, or broke off."""

    default_code = "upload_failed"
    transient = True


class LinkError(EdgeAgentError):
    """The broker could not be reached."""

    default_code = "broker_unreachable"
    transient = True


class LinkRefusedError(LinkError):
    """The broker answered and refused the connection."""

    default_code = "broker_refused"


class StorageError(EdgeAgentError):
    """The disk refused."""

    default_code = "storage_failed"


class ProcessError(EdgeAgentError):
    """A child process died, hung or broke the protocol."""

    default_code = "process_failed"
    transient = True


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the one of `words` that `word` was most likely meant to be, or None."""
    matches = difflib.get_close_matches(str(word).lower(), list(words), n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggestion(word: str, words: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"`, or an empty string where nothing is near."""
    match = nearest(word, words)
    return f"; did you mean '{match}'?" if match else ""
