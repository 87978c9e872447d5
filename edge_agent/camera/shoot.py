"""One request for pictures, from the settings that it borrows to its last frame.

All of it happens on the frame loop's thread, between two frames, but for what says otherwise.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.developing import Darkroom, Draw, developed
from edge_agent.camera.drivers.base import Driver, Sample, Still, Wish
from edge_agent.camera.exif import Facts
from edge_agent.camera.frame_loop import FrameLoop
from edge_agent.camera.messages import NOT_PUT_BACK, StillInfo, Take
from edge_agent.camera.overlay.painter import Painter
from edge_agent.camera.scan import ScanWatch
from edge_agent.camera.settings import CameraSettings
from edge_agent.camera.settling import Settling
from edge_agent.clock import Clock
from edge_agent.errors import CameraError, EdgeAgentError

__all__ = ["Shoot"]

logger = logging.getLogger(__name__)

_FOCUS_S: Final = 5.0
_ROOM_S: Final = 10.0
_OLDEST_FRAME_S: Final = 60.0
_AS_IT_IS: Final = Wish()
# A frame that comes so much late is no lost one.
_LATE: Final = 0.75


class Shoot:
    """`give` gets each picture, on the darkroom's thread, and `failed` the error that ended it, once.

    The settings are put back before the last picture is given, or `failed` called.
    """

    def __init__(
        self,
        *,
        take: Take,
        driver: Driver,
        loop: FrameLoop,
        darkroom: Darkroom,
        painter: Painter,
        model: str,
        clock: Clock,
        give: Callable[[StillInfo, bytes], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._take = take
        self._driver = driver
        self._loop = loop
        self._darkroom = darkroom
        self._painter = painter
        self._model = model
        self._clock = clock
        self._give = give
        self._failed = failed
        self._timer = threading.Timer(take.timeout_s, self._time_is_up)
        self._timer.daemon = True
        self._over = threading.Event()
        self._unwatch: Callable[[], None] | None = None
        self._before = CameraSettings()
        self._borrowed = False
        self._scan: ScanWatch | None = None
        self._focus_until_s = 0.0
        self._focus: Literal["focused", "failed", "timeout"] | None = None
        self._settling: Settling | None = None
        self._shown = True
        self._left = take.request.count
        self._exposing = False
        self._one_frame_more = False
        self._skipped = 0
        self._interval_us = 0.0
        self._last_us: int | None = None
        self._lost = 0
        self._lost_told = 0

    def start(self) -> None:
        """Begin, from any thread."""
        self._timer.start()
        if self._take.settings is None and not self._take.request.focus_first:
            # Nothing of the camera is changed: the frame that is awaited just now will do.
            self._do(self._begin)
        else:
            self._soon(self._begin)

    def give_up(self, error: BaseException) -> None:
        """End with `error`, from any thread; where it has ended already nothing happens."""
        self._soon(partial(self._fail, error))

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended and the camera is as it was; whether it is. Not on the loop's thread."""
        return self._over.wait(timeout_s)

    def _time_is_up(self) -> None:
        self.give_up(
            CameraError(f"the camera gave no picture within {self._take.timeout_s:g} s", code="timeout")
        )

    def _soon(self, step: Callable[[], None]) -> None:
        """Do a step between two frames."""
        try:
            self._loop.submit(partial(self._do, step))
        except CameraError as error:
            self._failed(error)

    def _do(self, step: Callable[[], None]) -> None:
        if self._over.is_set():
            return
        try:
            step()
        except Exception as error:  # noqa: BLE001 - every request is answered
            self._fail(error)

    def _begin(self) -> None:
        take = self._take
        self._before = self._loop.applied()
        self._interval_us = 1_000_000 / self._before.video.fps
        with suppress(CameraError):
            self._last_us = self._loop.last_sample().pts_us
        self._unwatch = self._loop.watch(self._sample)
        if take.settings is not None:
            self._borrowed = True
            self._set(take.settings)
            self._settling = Settling(self._before, self._loop.applied())
        if take.request.focus_first:
            # In manual mode the lens would stay where the scan leaves it.
            self._borrowed = self._borrowed or self._before.focus.mode == "manual"
            self._driver.trigger_focus()
            self._scan = ScanWatch()
            self._focus_until_s = time.monotonic() + _FOCUS_S

    def _set(self, settings: CameraSettings) -> None:
        if self._take.interrupts:
            self._loop.reconfigure(settings)
        else:
            self._loop.apply(settings)

    def _sample(self, sample: Sample) -> None:
        # It is called in the middle of the loop: what takes time is done when the frame is encoded. A copy
        # takes none, and the picture is made meanwhile.
        try:
            self._count(sample)
            if self._over.is_set():
                return
            if self._left == 0:
                self._finish()
            elif self._ready(sample) and not self._exposing:
                self._exposing = True
                if sample.frame is not None and not self._borrowed and self._wish == _AS_IT_IS:
                    self._do(partial(self._expose, sample))
                else:
                    self._soon(partial(self._expose, sample))
        except Exception as error:  # noqa: BLE001 - it must not end the loop
            self.give_up(error)

    def _count(self, sample: Sample) -> None:
        if self._last_us is not None:
            frames = (sample.pts_us - self._last_us) / self._interval_us
            self._lost += max(0, math.floor(frames + 1 - _LATE) - 1)
        self._last_us = sample.pts_us

    def _ready(self, sample: Sample) -> bool:
        if self._scan is not None:
            ended = self._scan.ended(sample)
            if ended is None and time.monotonic() < self._focus_until_s:
                return False
            self._focus, self._scan = ended or "timeout", None
        if self._settling is not None:
            if not self._settling.done(sample.reading):
                return False
            self._shown, self._settling = self._settling.shown, None
        return True

    @property
    def _wish(self) -> Wish:
        take = self._take
        return Wish(size=take.size if take.larger else None, raw=take.request.format == "dng")

    def _expose(self, sample: Sample) -> None:
        self._exposing = False
        if not self._darkroom.room():
            self._skipped += 1
            return
        wish = replace(self._wish, count=self._left)
        held = self._loop.applied()
        began_s = time.monotonic()
        with closing(self._driver.stills(sample, wish)) as stills:
            for number, still in enumerate(stills):
                # Only where the camera has stopped for it there is a second one at once, and time to wait.
                if number and not self._darkroom.wait_for_room(_ROOM_S):
                    raise CameraError("the pictures come faster than they can be encoded")
                self._left -= 1
                self._develop(still, held)
                if self._left == 0:
                    break
        late = (time.monotonic() - began_s) * 1_000_000 > self._interval_us / 2
        self._one_frame_more = self._one_frame_more or late or self._borrowed
        if self._left == 0:
            self._put_back()
            if not self._one_frame_more:
                self._finish()

    def _develop(self, still: Still, held: CameraSettings) -> None:
        facts = Facts(
            tags=self._take.request.exif,
            reading=still.reading,
            captured_at=self._captured_at(still.reading),
            model=self._model,
            settings=held,
        )
        skipped, self._skipped = self._skipped, 0
        last = self._left == 0
        # What the overlay says is of this moment, too, however long the picture waits to be developed.
        caption = self._painter.caption(held.overlay)
        draw = partial(self._painter.still, caption=caption) if caption is not None else None
        self._darkroom.put(still, partial(self._print, facts=facts, draw=draw, skipped=skipped, last=last))

    def _captured_at(self, reading: Reading) -> datetime:
        """Return the frame's time by the clock on the wall; its own is the sensor's."""
        age_s = self._clock.monotonic() - reading.timestamp_ns / 1e9
        # Another clock than ours, or none at all: the moment is the best there is.
        age_s = age_s if 0 <= age_s <= _OLDEST_FRAME_S else 0.0
        return self._clock.now() - timedelta(seconds=age_s)

    def _print(self, still: Still, *, facts: Facts, draw: Draw | None, skipped: int, last: bool) -> None:
        """Finish one picture, on the darkroom's thread."""
        if self._over.is_set() and self._left:
            return  # it was given up
        try:
            made = developed(still, self._take, facts, draw)
        except EdgeAgentError as error:
            self._lose(error)
            return
        except Exception as error:
            logger.exception("A picture could not be made")
            self._lose(CameraError(f"the picture could not be made: {type(error).__name__}: {error}"))
            return
        if last:
            self._over.wait(self._take.timeout_s)
            self._stop_watching()
        lost, self._lost_told = self._lost - self._lost_told, self._lost
        info = StillInfo(
            width=made.width,
            height=made.height,
            format=self._take.request.format,
            reading=facts.reading,
            captured_at=facts.captured_at,
            settings=facts.settings,
            settings_shown=self._shown,
            interrupted_frames=lost,
            skipped_frames=skipped,
            focus=self._focus,
        )
        self._give(info, made.content)

    def _lose(self, error: BaseException) -> None:
        self.give_up(error)
        # Nothing is told before the settings are back; where the frames were all taken that is long so.
        self._over.wait(self._take.timeout_s)
        self._stop_watching()
        self._failed(error)

    def _put_back(self) -> None:
        if not self._borrowed:
            return
        try:
            self._set(self._before)
        except EdgeAgentError as error:
            raise CameraError(
                f"the settings that held before the picture could not be put back: {error.message}",
                code=NOT_PUT_BACK,
            ) from error
        self._borrowed = False

    def _finish(self) -> None:
        # The frames are watched on: what encoding costs the stream counts, too.
        self._timer.cancel()
        self._over.set()

    def _stop_watching(self) -> None:
        unwatch, self._unwatch = self._unwatch, None
        if unwatch is not None:
            # Where the loop has ended meanwhile, it has done so itself.
            with suppress(ValueError):
                unwatch()

    def _fail(self, error: BaseException) -> None:
        try:
            self._put_back()
        except EdgeAgentError as worse:
            error = worse
        self._stop_watching()
        self._failed(error)
        self._finish()
