"""What the publisher knows about itself, written by its publishing thread and told by its control thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from edge_agent.stream.messages import Phase, PublisherBeat, PublisherState, StreamCode
from edge_agent.stream.packets import Progress

__all__ = ["PublisherStatus"]

_WINDOW_S: Final = 3.0
_SHORTEST_S: Final = 0.5  # what is measured over less says little
_TOLD_S: Final = 2.5  # for so long what the camera has said of its writing holds
_STALLED_S: Final = 5.0
_MAX_PENDING: Final = 16
_MAX_WINDOW: Final = 1024  # more than three seconds of any camera


class PublisherStatus:
    """Safe against threads. Each change of state is kept as a beat of its own until it was told."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        # The lock itself, for what is done for every packet: a Condition enters it by way of two calls more.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._pending: deque[PublisherBeat] = deque(maxlen=_MAX_PENDING)
        self._all_told = True
        self._state: PublisherState = "waiting"
        self._reason: str | None = "no packets from the camera"
        self._code: StreamCode | None = None
        self._since_s = monotonic()
        self._phase: tuple[Phase, float] = ("idle", self._since_s)
        self._packets = 0
        self._bytes = 0
        self._keyframes = 0
        self._sessions = 0
        self._attempts = 0
        self._session_since_s = self._since_s
        self._last_packet_s: float | None = None
        self._window: deque[tuple[float, int]] = deque(maxlen=_MAX_WINDOW)
        # When the camera writes by itself: when, and how many packets and bytes it had written then.
        self._marks: deque[tuple[float, int, int]] = deque(maxlen=_MAX_WINDOW)
        self._keyframes_counted = 0
        self._last_keyframe_us: int | None = None
        self._keyframe_interval_s: float | None = None

    def change(
        self, state: PublisherState, *, reason: str | None = None, code: StreamCode | None = None
    ) -> None:
        """Enter a state; in the same one only the reason is renewed, without a beat of its own."""
        with self._changed:
            is_new = state != self._state
            self._state, self._reason, self._code = state, reason, code
            if is_new:
                self._since_s = self._monotonic()
                self._pending.append(self._beat())
                self._all_told = False
                self._changed.notify_all()

    def attempt(self) -> None:
        """Enter `connecting`. The last failure's reason stays, until the target proves it wrong."""
        with self._changed:
            self._attempts += 1
            self._last_keyframe_us = None
            self._marks.clear()
            failed = self._state == "failed"
            reason, code = (self._reason, self._code) if failed else (None, None)
        self.change("connecting", reason=reason, code=code)

    def succeeded(self) -> None:
        """Enter `publishing`: the handshake is done and the first packet is written."""
        with self._changed:
            self._sessions += 1
            self._attempts = 0
            self._session_since_s = self._monotonic()
        self.change("publishing")

    def enter(self, phase: Phase, now_s: float) -> None:
        """Say that the publishing thread goes into a blocking call, or with `idle` that it came out."""
        # One assignment, without the lock: this is said for every packet.
        self._phase = (phase, now_s)

    def wrote(self, size_bytes: int, *, keyframe: bool, pts_us: int) -> None:
        """Count one packet that was written out; the writing thread is idle again."""
        with self._lock:
            now_s = self._monotonic()
            self._phase = ("idle", now_s)
            self._packets += 1
            self._bytes += size_bytes
            self._keyframes += keyframe
            self._last_packet_s = now_s
            self._window.append((now_s, size_bytes))
            if keyframe:
                last_us, self._last_keyframe_us = self._last_keyframe_us, pts_us
                if last_us is not None and pts_us > last_us:
                    self._keyframe_interval_s = (pts_us - last_us) / 1_000_000

    def lent(self) -> None:
        """Note that from now on the camera writes by itself; what it has written is told by `progressed`."""
        with self._lock:
            self._marks.clear()
            self._marks.append((self._monotonic(), 0, 0))
            self._keyframes_counted = 0

    def progressed(self, progress: Progress) -> None:
        """Count what the camera has written."""
        with self._lock:
            _, packets, size_bytes = self._marks[-1]
            self._packets += progress.packets - packets
            self._bytes += progress.bytes - size_bytes
            self._keyframes += progress.keyframes - self._keyframes_counted
            self._keyframes_counted = progress.keyframes
            self._marks.append((progress.now_s, progress.packets, progress.bytes))
            while len(self._marks) > 2 and progress.now_s - self._marks[1][0] >= _WINDOW_S:
                self._marks.popleft()
            if progress.last_s is not None:
                self._last_packet_s = progress.last_s
            if progress.keyframe_interval_s is not None:
                self._keyframe_interval_s = progress.keyframe_interval_s
            blocked_s = progress.blocked_s
            self._phase = ("write" if blocked_s else "idle", progress.now_s - blocked_s)

    def beat(self) -> PublisherBeat:
        """Return how things are now."""
        with self._changed:
            return self._beat()

    def next_beat(self, timeout_s: float) -> PublisherBeat:
        """Return the next change of state, or after `timeout_s` how things are. For the one that tells."""
        with self._changed:
            if not self._pending:
                self._all_told = True
                self._changed.notify_all()
            self._changed.wait_for(lambda: bool(self._pending), timeout_s)
            return self._pending.popleft() if self._pending else self._beat()

    def wait_until_told(self, timeout_s: float) -> bool:
        """Wait until every change of state was sent. Whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: self._all_told, timeout_s)

    def _prune(self, now_s: float) -> None:
        while self._window and self._window[0][0] <= now_s - _WINDOW_S:
            self._window.popleft()

    def _beat(self) -> PublisherBeat:
        now_s = self._monotonic()
        self._prune(now_s)
        state, reason, code = self._state, self._reason, self._code
        age_s = None if self._last_packet_s is None else now_s - self._last_packet_s
        phase, phase_since_s = self._phase
        phase_age_s = max(0.0, now_s - phase_since_s)
        since_s = self._since_s
        if state == "publishing" and phase == "write" and phase_age_s >= _STALLED_S:
            state, code = "failed", "stream_timeout"
            reason = f"the server has taken nothing for {phase_age_s:.0f} s"
            since_s = phase_since_s + _STALLED_S
        elif state == "connecting" and phase == "handshake" and phase_age_s >= _STALLED_S:
            code, reason = "stream_timeout", f"the server has not answered for {phase_age_s:.0f} s"
        fps, bitrate_bps = self._rates(now_s)
        return PublisherBeat(
            state=state,
            reason=reason,
            code=code,
            since_age_s=round(now_s - since_s, 3),
            phase=phase,
            phase_age_s=round(phase_age_s, 3),
            packets=self._packets,
            bytes=self._bytes,
            keyframes=self._keyframes,
            sessions=self._sessions,
            attempts=self._attempts,
            last_packet_age_s=None if age_s is None else round(age_s, 3),
            fps=round(fps, 2),
            bitrate_bps=int(bitrate_bps),
            keyframe_interval_s=self._keyframe_interval_s,
        )

    def _rates(self, now_s: float) -> tuple[float, float]:
        """Return frames and bits a second."""
        if len(self._marks) > 1 and now_s - self._marks[-1][0] < _TOLD_S:
            (begin_s, *before), (end_s, *after) = self._marks[0], self._marks[-1]
            span_s = max(end_s - begin_s, _SHORTEST_S)
            return (after[0] - before[0]) / span_s, (after[1] - before[1]) * 8 / span_s
        # Over a session that is younger than the window, three seconds would measure too little.
        span_s = min(_WINDOW_S, max(now_s - self._session_since_s, _SHORTEST_S))
        return len(self._window) / span_s, sum(size for _, size in self._window) * 8 / span_s
