"""What waits to be sent, and what was sent and waits for the broker's acknowledgement.

Pure bookkeeping: it knows neither sockets nor the event loop. Its promise is that nothing stale is ever
sent: state exists only as its latest value and only while there is a connection, everything else expires.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from edge_agent.clock import Clock
from edge_agent.mqtt.message import Kind, Outgoing

__all__ = ["Dropped", "Entry", "Outbox"]

_DEFAULT_EXPIRY_S: Final[dict[Kind, float | None]] = {
    "state": None,
    "reply": 30.0,
    "event": 60.0,
    "bulk": None,
}


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was accepted and never sent, since the start: queues that were full, and time that ran out."""

    replies: int = 0
    events: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A message with its ticket, which the acknowledgement names, and its monotonic deadline."""

    ticket: int
    message: Outgoing
    deadline_s: float | None


class _Line:
    """First in, first out, bounded by count and bytes; the oldest makes room."""

    def __init__(self, *, limit: int, limit_bytes: int) -> None:
        self.entries: deque[Entry] = deque()
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0

    def append(self, entry: Entry) -> int:
        """Queue `entry`. Return how many were dropped for it."""
        self.entries.append(entry)
        self._bytes += len(entry.message.payload)
        dropped = 0
        while len(self.entries) > self._limit or (self._bytes > self._limit_bytes and len(self.entries) > 1):
            self.pop()
            dropped += 1
        return dropped

    def pop(self) -> Entry:
        entry = self.entries.popleft()
        self._bytes -= len(entry.message.payload)
        return entry

    def put_back(self, entries: list[Entry]) -> int:
        """Put `entries`, older than all that wait, back to the front. Return how many were dropped."""
        waiting = entries + list(self.entries)
        self.entries.clear()
        self._bytes = 0
        return sum(self.append(entry) for entry in waiting)


class Outbox:
    """Bounded queues by kind, and the window of what is under way.

    Closed, which it is without a connection, it keeps replies and events and forgets the rest, because the
    birth of the next connection publishes the present.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        replies: int = 256,
        events: int = 256,
        line_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        self._clock = clock
        self._replies = _Line(limit=replies, limit_bytes=line_bytes)
        self._events = _Line(limit=events, limit_bytes=line_bytes)
        self._states: dict[str, Entry] = {}
        self._bulk: dict[str, Entry] = {}
        self._under_way: dict[int, Entry] = {}
        self._window = 0
        self._ticket = 0
        self._dropped_replies = 0
        self._dropped_events = 0
        self._expired = 0

    @property
    def dropped(self) -> Dropped:
        """The counters."""
        return Dropped(replies=self._dropped_replies, events=self._dropped_events, expired=self._expired)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and everything sent was acknowledged."""
        return not (
            self._under_way or self._replies.entries or self._states or self._events.entries or self._bulk
        )

    @property
    def under_way(self) -> tuple[Outgoing, ...]:
        """What was sent and not acknowledged, the oldest first."""
        return tuple(entry.message for entry in self._under_way.values())

    def put(self, message: Outgoing) -> int:
        """Queue `message`, in place of the one that it makes obsolete. Return its ticket."""
        expiry_s = message.expires_s if message.expires_s is not None else _DEFAULT_EXPIRY_S[message.kind]
        deadline_s = None if expiry_s is None else self._clock.monotonic() + expiry_s
        self._ticket += 1
        entry = Entry(ticket=self._ticket, message=message, deadline_s=deadline_s)
        if message.kind == "reply":
            self._dropped_replies += self._replies.append(entry)
        elif message.kind == "event":
            self._dropped_events += self._events.append(entry)
        elif self._window:
            latest = self._states if message.kind == "state" else self._bulk
            # To the end of the line, so that what was published last also arrives last.
            latest.pop(message.topic, None)
            latest[message.topic] = entry
        return entry.ticket

    def withdraw(self, ticket: int) -> None:
        """Forget a bulk message that was not sent yet; any other ticket changes nothing."""
        for topic, entry in tuple(self._bulk.items()):
            if entry.ticket == ticket:
                del self._bulk[topic]

    def take(self) -> Entry | None:
        """Return what is to be sent now, None where nothing waits or the window is full.

        Replies go first, then states, events and bulk. What needs an acknowledgement is under way from now.
        """
        if len(self._under_way) >= self._window:
            return None
        entry = self._next()
        if entry is not None and entry.message.qos:
            self._under_way[entry.ticket] = entry
        return entry

    def acknowledged(self, ticket: int) -> Outgoing | None:
        """Note that the broker has the message; return it, or None for an earlier connection's ticket."""
        entry = self._under_way.pop(ticket, None)
        return None if entry is None else entry.message

    def remaining_s(self, entry: Entry) -> float | None:
        """Return for how long the message is still good, where its sender limited that."""
        if entry.deadline_s is None or entry.message.expires_s is None:
            return None
        return max(entry.deadline_s - self._clock.monotonic(), 0.0)

    def open(self, *, window: int) -> None:
        """A connection is there; at most `window` messages are under way at a time."""
        self._window = max(window, 1)

    def close(self) -> None:
        """The connection is gone: keep the replies and events, those under way included, forget the rest."""
        self._window = 0
        self._states.clear()
        self._bulk.clear()
        again = list(self._under_way.values())
        self._under_way.clear()
        self._dropped_replies += self._replies.put_back([e for e in again if e.message.kind == "reply"])
        self._dropped_events += self._events.put_back([e for e in again if e.message.kind == "event"])

    def _next(self) -> Entry | None:
        entry = self._first(self._replies) or self._latest(self._states) or self._first(self._events)
        if entry is None and not self._under_way:
            entry = self._latest(self._bulk)
        return entry

    def _first(self, line: _Line) -> Entry | None:
        while line.entries:
            entry = line.pop()
            if self._is_good(entry):
                return entry
        return None

    def _latest(self, latest: dict[str, Entry]) -> Entry | None:
        while latest:
            entry = latest.pop(next(iter(latest)))
            if self._is_good(entry):
                return entry
        return None

    def _is_good(self, entry: Entry) -> bool:
        if entry.deadline_s is None or entry.deadline_s > self._clock.monotonic():
            return True
        self._expired += 1
        return False
