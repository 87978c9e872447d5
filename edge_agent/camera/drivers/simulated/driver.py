"""The simulated camera, put together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from functools import partial

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.drivers.base import Sample, Still, Wish
from edge_agent.camera.drivers.copies import copied, still_of
from edge_agent.camera.drivers.simulated.imaging import Imaging
from edge_agent.camera.drivers.simulated.large import large_picture, raw_picture
from edge_agent.camera.drivers.simulated.lens import Lens
from edge_agent.camera.drivers.simulated.options import SimulatedOptions
from edge_agent.camera.drivers.simulated.pacing import FrameSchedule
from edge_agent.camera.drivers.simulated.sensor import capabilities, hold
from edge_agent.camera.drivers.simulated.surroundings import Surroundings
from edge_agent.camera.settings import CameraSettings, Focus, merge
from edge_agent.clock import Clock
from edge_agent.errors import CameraError

__all__ = ["SimulatedDriver"]


class SimulatedDriver:
    """A camera that is not there, but answers like one. See `drivers.base.Driver` for the contract.

    `wait` sleeps for seconds. Without `paced` frames come as fast as they can be made, each one frame's time
    after the last. The same `seed` gives the same noise.
    """

    name = "simulated"

    def __init__(
        self,
        *,
        clock: Clock,
        options: SimulatedOptions | None = None,
        paced: bool = True,
        seed: int = 0,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._options = options if options is not None else SimulatedOptions()
        self._seed = seed
        self._schedule = FrameSchedule(monotonic=clock.monotonic, wait=wait, paced=paced)
        self._lock = threading.Lock()
        self._held: CameraSettings | None = None
        self._focus_wanted = False
        self._position_wanted: float | None = None
        self._lens = Lens()
        self._imaging: Imaging | None = None

    def open(self) -> CameraCapabilities:
        """Say what the camera can do. Raises ConfigError for options that cannot be."""
        surroundings = Surroundings(clock=self._clock, options=self._options)
        self._imaging = Imaging(
            surroundings=surroundings, lens=self._lens, moving=self._options.moving, seed=self._seed
        )
        return capabilities()

    def configure(self, settings: CameraSettings) -> None:
        """Take all settings, also those that are not live."""
        self._opened()
        self._take(hold(settings))

    def apply(self, settings: CameraSettings) -> None:
        """Take the settings that are live; the next frame shows them. The others stay as configured."""
        self._opened()
        before = self._configured()
        video = before.video
        fixed = {"width": video.width, "height": video.height, "field_of_view": video.field_of_view}
        live = {
            "hdr": before.hdr,
            "view": before.view.model_copy(update={"roi": settings.view.roi}),
            "video": settings.video.model_copy(update=fixed),
        }
        self._take(hold(settings.model_copy(update=live)))

    def applied(self) -> CameraSettings:
        """Return what the camera holds: within its limits, without what its modes do not use."""
        held = self._configured()
        if held.focus.mode != "manual":
            return held
        with self._lock:
            # After a scan the lens stands where that left it, not where it was told to before.
            position = self._lens.position if self._position_wanted is None else self._position_wanted
        return merge(held, {"focus": {"position": round(position, 4)}})

    def want_small(self, size_of: Callable[[int, int], tuple[int, int]]) -> None:
        """Leave it out: it would have to scale its own picture."""

    def read(self, timeout_s: float) -> Sample | None:
        """Wait for the next frame's time and make it."""
        imaging = self._opened()
        pts_us = self._schedule.next_us(fps=self._configured().video.fps, timeout_s=timeout_s)
        if pts_us is None:
            return None
        # What was set while it waited shows in this frame already.
        held = self._configured()
        self._move_lens(held.focus)
        return imaging.sample(held, pts_us)

    def request_keyframe(self) -> None:
        """Nothing to do: its frames are encoded later."""

    def set_bitrate(self, bps: int) -> None:
        """Nothing to do: its frames are encoded later."""

    def trigger_focus(self) -> None:
        """Begin a scan with the next frame, in whatever mode; in manual the lens stays where it ends."""
        self._opened()
        with self._lock:
            self._focus_wanted = True

    def stills(self, last: Sample, wish: Wish) -> Generator[Still, None, None]:
        """Yield a copy of the last frame, or its moment, larger or raw: drawn where it is developed."""
        exposed = self._opened().last
        if last.frame is None or exposed is None:
            raise CameraError("the sample holds no frame of which a still could be made")
        if wish.raw:
            yield Still(reading=last.reading, develop=partial(raw_picture, exposed, wish.size))
        elif wish.size is not None:
            yield Still(reading=last.reading, develop=partial(large_picture, exposed, wish.size))
        else:
            yield still_of(copied(last.frame), last.reading)

    def close(self) -> None:
        """Let go of everything that is kept."""
        self._imaging = None

    def _opened(self) -> Imaging:
        if self._imaging is None:
            raise CameraError("the simulated camera is not open")
        return self._imaging

    def _configured(self) -> CameraSettings:
        with self._lock:
            held = self._held
        if held is None:
            raise CameraError("the simulated camera was not configured yet")
        return held

    def _take(self, held: CameraSettings) -> None:
        with self._lock:
            self._held = held
            self._position_wanted = held.focus.position

    def _move_lens(self, focus: Focus) -> None:
        with self._lock:
            position, self._position_wanted = self._position_wanted, None
            triggered, self._focus_wanted = self._focus_wanted, False
            if position is not None and position != self._lens.position:
                self._lens.move_to(position)
            if triggered:
                self._lens.trigger(focus)
