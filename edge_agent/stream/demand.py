"""Whether somebody wants to watch: a hook's demand, or readers that the server counts, and a grace time."""

from __future__ import annotations

__all__ = ["Demand"]


class Demand:
    """Wanted while there are readers, and `grace_s` after the last of them or after a demand.

    Times are monotonic seconds.
    """

    def __init__(self, *, grace_s: float) -> None:
        self._grace_s = grace_s
        self._until_s: float | None = None
        self._readers = 0

    def ask(self, now_s: float) -> None:
        """Somebody asks for the stream: a hook of the server's, a person, a rule."""
        self._until_s = now_s + self._grace_s

    def release(self) -> None:
        """Nobody needs it any more, unless readers were just counted."""
        if not self._readers:
            self._until_s = None

    def counted(self, readers: int | None, now_s: float, *, publishing: bool) -> None:
        """Take in how many readers the server counts; None where it cannot be asked.

        What is published goes on then: nobody who watches is to lose the picture over a lost API.
        """
        self._readers = readers or 0
        if readers or (readers is None and publishing and self.wanted(now_s)):
            self._until_s = now_s + self._grace_s

    def wanted(self, now_s: float) -> bool:
        """Whether to encode and to publish."""
        return self._until_s is not None and now_s < self._until_s
