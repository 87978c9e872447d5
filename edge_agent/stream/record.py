"""What the publisher said last, and what all publishers since the agent's start wrote together."""

from __future__ import annotations

from edge_agent.clock import Clock
from edge_agent.stream.evidence import Session
from edge_agent.stream.messages import PublisherBeat

__all__ = ["PublisherRecord"]


class PublisherRecord:
    """The totals go on over the publisher's restarts; `beat` is None while there is none."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._beat_at_s = clock.monotonic()
        self._packets = 0
        self._bytes = 0
        self._keyframes = 0
        self._sessions = 0
        self.beat: PublisherBeat | None = None

    def take(self, beat: PublisherBeat) -> PublisherBeat | None:
        """Take in a beat; return the one before it."""
        before, self.beat = self.beat, beat
        self._beat_at_s = self._clock.monotonic()
        return before

    def gone(self) -> None:
        """Add up what the publisher did: it is not there any more."""
        self._packets, self._bytes = self.packets, self.bytes
        self._keyframes, self._sessions = self.keyframes, self.sessions
        self.beat = None

    @property
    def beat_age_s(self) -> float:
        """Seconds since the last beat."""
        return self._clock.monotonic() - self._beat_at_s

    @property
    def packet_age_s(self) -> float | None:
        """Seconds since the last packet was written; None where this publisher wrote none."""
        if self.beat is None or self.beat.last_packet_age_s is None:
            return None
        return round(self.beat.last_packet_age_s + self.beat_age_s, 3)

    @property
    def packets(self) -> int:
        """Packets written, each a frame."""
        return self._packets + (self.beat.packets if self.beat else 0)

    @property
    def bytes(self) -> int:
        """Bytes of packets written."""
        return self._bytes + (self.beat.bytes if self.beat else 0)

    @property
    def keyframes(self) -> int:
        """Keyframes written."""
        return self._keyframes + (self.beat.keyframes if self.beat else 0)

    @property
    def sessions(self) -> int:
        """Sessions that the server took."""
        return self._sessions + (self.beat.sessions if self.beat else 0)

    @property
    def session(self) -> Session | None:
        """The session that there is now, None where none is."""
        if self.beat is None or self.beat.state != "publishing":
            return None
        return Session(number=self.sessions, written_bytes=self.bytes)
