"""The overlay on frames: drawn where it belongs, gone afterwards, and never in the way of the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from av import VideoFrame

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.overlay import painter as module
from edge_agent.camera.overlay.painter import Painter
from edge_agent.camera.overlay.patch import Patch
from edge_agent.camera.settings import Overlay
from tests.camera.drivers.clips import make_clip
from tests.clocks import ManualClock


def grey(width: int = 640, height: int = 360, pixel_format: str = "yuv420p") -> VideoFrame:
    plain = VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 100, np.uint8), format="yuv420p")
    return plain if pixel_format == "yuv420p" else plain.reformat(format=pixel_format)


def pixels(frame: VideoFrame) -> npt.NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(), np.uint8).copy()


class Rig:
    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.painter = Painter(names={"name": "Porch"}, clock=self.clock, timezone="Europe/Berlin")
        self.settings = Overlay(**{"enabled": True, "text": "{name}", **settings})
        self.painter.configure(self.settings)

    def still(self, frame: VideoFrame) -> None:
        """Draw on a picture that is taken now."""
        caption = self.painter.caption(self.settings)
        if caption is not None:
            self.painter.still(frame, caption)

    def shown(self, width: int = 640, height: int = 360) -> npt.NDArray[np.uint8]:
        frame = grey(width, height)
        with self.painter.on(frame):
            return pixels(frame)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12"])
def test_it_is_there_inside_the_block_and_gone_after_it(pixel_format: str) -> None:
    rig = Rig()
    frame = grey(pixel_format=pixel_format)
    before = pixels(frame)
    with rig.painter.on(frame):
        assert not np.array_equal(pixels(frame), before)
    assert np.array_equal(pixels(frame), before)
    with pytest.raises(RuntimeError), rig.painter.on(frame):
        raise RuntimeError
    assert np.array_equal(pixels(frame), before)


def test_switched_off_it_touches_nothing() -> None:
    rig = Rig(enabled=False)
    frame = grey()
    with rig.painter.on(frame):
        assert np.all(pixels(frame) == 100)
    rig.still(frame)
    assert np.all(pixels(frame) == 100)


def test_what_a_decoder_still_needs_is_copied(tmp_path: Path) -> None:
    """Drawing into a decoder's picture would show in all that are built upon it."""
    clip = make_clip(tmp_path / "a.mp4", frames=5, group=5)

    def decoded(rig: Rig | None) -> list[npt.NDArray[np.uint8]]:
        shown = []
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                if rig is not None:
                    with rig.painter.on(frame, shared=True):
                        pass
                    rig.still(frame)
                else:
                    shown.append(pixels(frame))
                    continue
                shown.append(pixels(frame))
        return shown

    plain, drawn = decoded(None), decoded(Rig(text="XXXXXX", size=0.25, snapshots=False))
    assert all(np.array_equal(a, b) for a, b in zip(plain, drawn, strict=True))
    # With the text left on, it is in each picture once, and not in those that are predicted from it.
    left = decoded(Rig(text="XXXXXX", size=0.25, position="top_left"))
    half = slice(plain[0].shape[0] // 3, plain[0].shape[0] * 2 // 3)
    assert all(np.array_equal(a[half], b[half]) for a, b in zip(plain, left, strict=True))


def test_time_goes_on_in_its_zone_and_is_drawn_anew_only_when_it_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []

    def counting(text: str, **how: Any) -> Patch:
        drawn.append(text)
        return Patch(text, **how)

    counting.glyph_height = Patch.glyph_height  # type: ignore[attr-defined] # it stands in for the class
    monkeypatch.setattr(module, "Patch", counting)
    rig = Rig(text="{time}")
    for _ in range(30):
        rig.shown()
        rig.clock.advance(1 / 15)
    assert drawn == ["14:00:00", "14:00:01"]


def test_a_text_that_changes_with_every_frame_is_held_back() -> None:
    rig = Rig(text="{time:%f}")
    first = rig.shown()
    rig.clock.advance(0.05)
    assert np.array_equal(rig.shown(), first)
    rig.clock.advance(0.06)
    assert not np.array_equal(rig.shown(), first)


def test_what_the_camera_reports_is_shown_twice_a_second_at_most() -> None:
    rig = Rig(text="{exposure_us} {gain} {lux} {fps} {temperature_c}")
    unknown = rig.shown()
    rig.painter.note(Reading(exposure_us=100, analogue_gain=1.0), fps=30.0)
    rig.clock.advance(0.2)
    first = rig.shown()
    assert not np.array_equal(first, unknown)
    rig.painter.note(Reading(exposure_us=200, analogue_gain=2.0), fps=30.0)
    rig.clock.advance(0.2)
    assert np.array_equal(rig.shown(), first)
    rig.clock.advance(0.2)
    rig.painter.note(Reading(exposure_us=200, analogue_gain=2.0), fps=30.0)
    rig.clock.advance(0.2)
    assert not np.array_equal(rig.shown(), first)


def test_fields_of_status_are_shown_as_told() -> None:
    rig = Rig(text="{profile.active}")
    unknown = rig.shown()
    rig.painter.show({"profile.active": "night"})
    rig.clock.advance(1)
    assert not np.array_equal(rig.shown(), unknown)
    rig.painter.show({})
    rig.clock.advance(1)
    assert np.array_equal(rig.shown(), unknown)


def test_settings_are_live() -> None:
    rig = Rig()
    first = rig.shown()
    rig.painter.configure(Overlay(enabled=True, text="{name}", position="top_right"))
    second = rig.shown()
    assert not np.array_equal(first, second)
    rig.painter.configure(Overlay(enabled=True, text="other", position="top_right"))
    assert not np.array_equal(rig.shown(), second)


@pytest.mark.parametrize("snapshots", [True, False])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "rgb24", "yuvj420p"])
def test_a_snapshot_has_it_where_that_is_wanted(snapshots: bool, pixel_format: str) -> None:
    rig = Rig(snapshots=snapshots)
    frame = grey(pixel_format=pixel_format)
    before = pixels(frame)
    rig.still(frame)
    assert np.array_equal(pixels(frame), before) != snapshots
    assert rig.painter.failure is None


def test_a_snapshot_says_what_was_so_when_it_was_taken() -> None:
    """It is drawn when the picture is developed, seconds later, and the settings may be others by then."""
    rig, early, late = Rig(text="{name} {time:%S}"), grey(), grey()
    caption = rig.painter.caption(rig.settings)
    assert caption is not None
    rig.painter.still(early, caption)
    rig.clock.advance(7)
    rig.painter.configure(Overlay(enabled=False))
    rig.painter.still(late, caption)
    assert np.array_equal(pixels(early), pixels(late))
    assert np.any(pixels(late) != 100)


def test_what_cannot_be_drawn_on_is_told_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    odd = grey().reformat(format="gray10le")
    before = pixels_of_any(odd)
    for _ in range(2):
        with rig.painter.on(odd):
            pass
        assert rig.painter.failure is not None
        assert "gray10le" in rig.painter.failure
    assert np.array_equal(pixels_of_any(odd), before)
    assert len(caplog.records) == 1
    rig.shown()
    assert rig.painter.failure is None


def pixels_of_any(frame: VideoFrame) -> npt.NDArray[Any]:
    plane: Any = frame.planes[0]  # PyAV's types do not say that it is a buffer
    return np.frombuffer(plane, np.uint8).copy()


def test_many_sizes_do_not_pile_up() -> None:
    rig = Rig()
    for width in range(64, 640, 32):
        rig.shown(width, width // 2 * 2)
    assert len(rig.painter._patches) <= 4
    assert len(rig.painter._glyphs) <= 3


def test_a_time_zone_that_nobody_knows_costs_the_zone_only(caplog: pytest.LogCaptureFixture) -> None:
    Painter(names={}, clock=ManualClock(), timezone="Mars/Olympus")
    assert "Mars/Olympus" in caplog.text
