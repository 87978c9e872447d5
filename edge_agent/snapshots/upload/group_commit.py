"""One wait for the disk that many threads share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["GroupCommit"]


@dataclass(slots=True, eq=False)
class _Round:
    """One commit: how it ended, for all who wait for it."""

    is_over: bool = False
    error: OSError | None = None


class GroupCommit:
    """Lets threads wait for `commit`: those who ask while one is under way share the next."""

    def __init__(self, commit: Callable[[], None]) -> None:
        self._commit = commit
        self._changed = threading.Condition()
        self._is_running = False
        self._next = _Round()

    def durable(self) -> None:
        """Return when what was done before this call is on disk. Raises the OSError of `commit`."""
        with self._changed:
            # One that is under way may have begun too early for this.
            mine = self._next
            while self._is_running and not mine.is_over:
                self._changed.wait()
            if not mine.is_over:
                self._next, self._is_running = _Round(), True
                leads = True
            else:
                leads = False
        if leads:
            self._lead(mine)
        if mine.error is not None:
            raise OSError(mine.error.errno, mine.error.strerror) from mine.error

    def _lead(self, mine: _Round) -> None:
        try:
            self._commit()
        except OSError as error:
            mine.error = error
        finally:
            with self._changed:
                mine.is_over, self._is_running = True, False
                self._changed.notify_all()
