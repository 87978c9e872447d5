"""A log line as it is written: masked, and for the journal with its priority."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from typing import IO, Final

from edge_agent.masking import MASK, mask_text

__all__ = ["LineFormatter", "SecretMask", "is_journal"]

# sd-daemon(3)'s prefixes, from the severest down.
_PRIORITIES: Final = (
    (logging.CRITICAL, "<2>"),
    (logging.ERROR, "<3>"),
    (logging.WARNING, "<4>"),
    (logging.INFO, "<6>"),
)
_DEBUG_PRIORITY: Final = "<7>"
_NAMED: Final = re.compile(
    r"(?i)\b(password|passwd|passphrase|secret|token|api[-_]?key|authorization)"
    r"(['\"]?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(?!\*)('[^']*'|\"[^\"]*\"|[^\s,;&'\"}]+)"
)


class SecretMask:
    """Takes secrets out of texts: those that it was given, credentials in URLs, `password=...`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: one may begin with another.
        found = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, found))) if found else None

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        if "://" in text:
            text = mask_text(text)
        return _NAMED.sub(rf"\1\2{MASK}", text)


class LineFormatter(logging.Formatter):
    """Formats and masks a record, its traceback included."""

    def __init__(self, *, mask: SecretMask, journal: bool) -> None:
        line = "%(levelname)s %(name)s: %(message)s"
        super().__init__(line if journal else f"%(asctime)s {line}")
        self._mask = mask
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines; each has its priority where they are for the journal."""
        text = self._mask(super().format(record))
        if not self._journal:
            return text
        priority = next((sign for level, sign in _PRIORITIES if record.levelno >= level), _DEBUG_PRIORITY)
        return "\n".join(f"{priority}{line}" for line in text.splitlines())


def is_journal(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Whether `stream` is the journal itself: JOURNAL_STREAM is inherited by a redirected one, too."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))
