"""Autofocus scans, seen from the frames: when one has ended, and how."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Literal

from edge_agent.camera.drivers.base import Sample
from edge_agent.camera.frame_loop import FrameLoop
from edge_agent.camera.messages import FocusOutcome

__all__ = ["Scan", "ScanWatch"]

# A scan that finds the lens right at once may show no frame of scanning.
_FRAMES_TO_BEGIN: Final = 2


class ScanWatch:
    """Looks at the samples from the trigger on until the scan has ended."""

    def __init__(self) -> None:
        self._seen_scanning = False
        self.frames = 0

    def ended(self, sample: Sample) -> Literal["focused", "failed"] | None:
        """Take note of the next sample; return how the scan ended, None where it goes on."""
        self.frames += 1
        state = sample.reading.af_state
        if state == "scanning":
            self._seen_scanning = True
        elif state in ("focused", "failed") and (self._seen_scanning or self.frames > _FRAMES_TO_BEGIN):
            return state
        return None


class Scan:
    """Watches the samples until the autofocus has ended, or the time has, and tells once."""

    def __init__(self, *, loop: FrameLoop, timeout_s: float, done: Callable[[FocusOutcome], None]) -> None:
        self._loop = loop
        self._done = done
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout_s, self._time_is_up)
        self._timer.daemon = True
        self._watch = ScanWatch()
        self._unwatch: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._unwatch = self._loop.watch(self._sample)
        self._timer.start()

    def _sample(self, sample: Sample) -> None:
        state = self._watch.ended(sample)
        if state is not None:
            self._end(state, sample)

    def _time_is_up(self) -> None:
        self._end("timeout", self._loop.last_sample())

    def _end(self, state: Literal["focused", "failed", "timeout"], sample: Sample) -> None:
        with self._lock:
            unwatch, self._unwatch = self._unwatch, None
        if unwatch is None:
            return
        unwatch()
        self._timer.cancel()
        reading = sample.reading
        self._done(
            FocusOutcome(
                state=state,
                lens_position=reading.lens_position,
                focus_fom=reading.focus_fom,
                frames=self._watch.frames,
            )
        )
