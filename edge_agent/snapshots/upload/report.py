"""Tells what becomes of the uploads: in `status`, by events, as problems, in the log. Never with a secret."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.events import Events
from edge_agent.health.problems import Problems
from edge_agent.masking import mask_text
from edge_agent.snapshots.upload.answers import Verdict
from edge_agent.snapshots.upload.lanes import Entry
from edge_agent.snapshots.upload.status import UploadFailure

__all__ = ["FAILURES", "Report"]

logger = logging.getLogger(__name__)

# A single refusal of a busy server is nothing that anybody should be woken for.
FAILURES: Final = 3


class Report:
    """What is known of the uploads' past. The event loop's."""

    def __init__(
        self, *, clock: Clock, events: Events, problems: Problems, status_changed: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._events = events
        self._problems = problems
        self._changed = status_changed
        self._failing: str | None = None
        self.uploaded = 0
        self.damaged = 0
        self.last_success: str | None = None
        self.last_error: UploadFailure | None = None
        self.unusable: str | None = None

    def changed(self) -> None:
        """Say that there is something new in `status`."""
        self._changed()

    def done(self, entry: Entry, verdict: Verdict) -> None:
        """The server has a picture, and the spool no longer."""
        self.uploaded += 1
        self.last_success = rfc3339(self._clock.now())
        self._emit(
            "done", entry, attempts=entry.attempts + 1, http_status=verdict.status, found=verdict.found
        )
        self._changed()

    def failed(self, verdict: Verdict) -> None:
        """A picture is tried again later."""
        self.error(verdict.code, verdict.message)

    def parked(self, entry: Entry, verdict: Verdict) -> None:
        """A picture waits for somebody's word."""
        message = mask_text(verdict.message)
        logger.warning("The upload %s is parked: %s", entry.ticket, message)
        self._emit("parked", entry, code=verdict.code, message=message, http_status=verdict.status)
        self.error(verdict.code, message)

    def set_aside(self, entry: Entry, verdict: Verdict) -> None:
        """A picture was damaged on the disk."""
        self.damaged += 1
        logger.warning("The upload %s is damaged and set aside: %s", entry.ticket, verdict.message)
        self._emit("damaged", entry, code=verdict.code, message=verdict.message)
        self.error(verdict.code, verdict.message)

    def found_damaged(self, ticket: str) -> None:
        """One was damaged on the disk before this start."""
        message = "its record or its picture is damaged"
        self._events.emit("upload", "damaged", ticket=ticket[:80], code="record_damaged", message=message)
        self.error("record_damaged", f"{ticket[:80]}: {message}")

    def error(self, code: str, message: str) -> None:
        """Note what went wrong last."""
        self.last_error = UploadFailure(
            code=code, message=mask_text(message), time=rfc3339(self._clock.now())
        )
        self._changed()

    def failing(self, why: str | None) -> None:
        """Say that a server keeps failing, or with None that none does; the same again changes nothing."""
        if (why is None) == (self._failing is None):
            return
        self._failing = why
        if why is not None:
            why = f"pictures wait to be uploaded: {mask_text(why)}"
            logger.warning("Uploads fail: %s", why)
        else:
            logger.info("Uploads go on")
        self._problems.set("upload_failing", why)

    def problem(self, code: str, message: str | None) -> None:
        """Say what is wrong, or with None that it is not."""
        self._problems.set(code, message)

    def _emit(self, event_type: str, entry: Entry, **fields: Any) -> None:
        self._events.emit(
            "upload",
            event_type,
            ticket=entry.ticket,
            id=entry.picture_id,
            origin=entry.origin,
            size_bytes=entry.size_bytes,
            **fields,
        )
