"""Two publishers of one path: noticed, told, and not fought.

By MediaMTX's default the newcomer takes a path over. Two that reconnect by themselves would evict each other
for ever, and nobody could watch either. So after a few sessions in a row that the server ended soon, and that
the next one could follow at once, this one steps back: a server that is away, or restarts, takes no session
at the first try. With the API it looks who is there while it is away itself: whoever that is, it is not this
one. It comes back when the path is free, or after the wait where nobody can be asked.
"""

from __future__ import annotations

from random import Random
from typing import Final, Literal

__all__ = ["Contention", "ContentionState"]

# clear: nothing of it; checking: stepped back to see who is there; contested: somebody is, most likely;
# trying: back, and until it has lasted not believed.
ContentionState = Literal["clear", "checking", "contested", "trying"]

# The other is back after its own wait: an agent within two seconds, a script that is restarted within ten.
_SHORT_S: Final = 10.0
_SESSIONS: Final = 3
_PROVEN_S: Final = 15.0
_CHECK_S: Final = (3.0, 8.0)
_WAIT_S: Final = (30.0, 60.0)


class Contention:
    """Told of the sessions' beginnings and ends, and of what the server says. Times are monotonic seconds."""

    def __init__(self, *, random: Random) -> None:
        self._random = random
        self._began_at_s: float | None = None
        self._followed_at_once = False
        self._short = 0
        self._until_s = 0.0
        self.state: ContentionState = "clear"

    @property
    def stepped_back(self) -> bool:
        """Whether this agent is to stay away from the path."""
        return self.state in ("checking", "contested")

    def session_began(self, now_s: float, *, at_once: bool) -> None:
        """Take note of a session that the server took; `at_once`: at the first try after the last one."""
        self._began_at_s = now_s
        self._followed_at_once = at_once

    def session_ended(self, now_s: float, *, hung_up: bool, can_ask: bool) -> None:
        """Take note of an end; `hung_up`: by the other side, and `can_ask`: whether the API answers."""
        began_at_s, self._began_at_s = self._began_at_s, None
        if began_at_s is None or self.stepped_back:
            return
        if not hung_up or now_s - began_at_s >= _SHORT_S:
            self._short = 0
            return
        self._short = self._short + 1 if self._followed_at_once else 1
        if self.state == "trying":
            self._step_back(now_s)
        elif self._short >= _SESSIONS:
            if can_ask:
                self.state = "checking"
                self._until_s = now_s + self._random.uniform(*_CHECK_S)
            else:
                self._step_back(now_s)

    def looked(self, now_s: float, *, held: bool | None) -> None:
        """Take note of a look: whether another holds the path, None where that cannot be said."""
        if self.state == "checking":
            if held or (held is None and now_s >= self._until_s):
                self._step_back(now_s)
            elif not held and now_s >= self._until_s:
                # Nobody is there: it was the server that ended them.
                self.reset()
        elif self.state == "contested" and now_s >= self._until_s and not held:
            self.state = "trying"
        elif self.state == "trying" and self._lasted_s(now_s) >= _PROVEN_S:
            self.reset()

    def reset(self) -> None:
        """Begin anew, as after a command."""
        self.state, self._short = "clear", 0

    def _lasted_s(self, now_s: float) -> float:
        return 0.0 if self._began_at_s is None else now_s - self._began_at_s

    def _step_back(self, now_s: float) -> None:
        self.state = "contested"
        self._until_s = now_s + self._random.uniform(*_WAIT_S)
