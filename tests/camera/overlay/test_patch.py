from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_agent.camera.overlay.glyphs import Glyphs
from edge_agent.camera.overlay.patch import LAYOUTS, Look, Patch

WIDTH, HEIGHT = 640, 360
GLYPHS = Glyphs(24)
GREY = 100


def planes_of(pixel_format: str, width: int = WIDTH, height: int = HEIGHT) -> list[npt.NDArray[np.uint8]]:
    return [
        np.full((height // plane.down, width // plane.across * plane.step), GREY, np.uint8)
        for plane in LAYOUTS[pixel_format]
    ]


def look(**changes: Any) -> Look:
    return Look(**{"position": "top_left", "size": 0.06, "margin": 0.05, "background": 0.5, **changes})


def patch(text: str = "Porch", *, pixel_format: str = "yuv420p", **changes: Any) -> Patch:
    return Patch(
        text, look=look(**changes), glyphs=GLYPHS, width=WIDTH, height=HEIGHT, layout=LAYOUTS[pixel_format]
    )


def changed(plane: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """First and last row, first and last column that were drawn on."""
    rows, columns = np.nonzero(plane != GREY)
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


@pytest.mark.parametrize("pixel_format", sorted(LAYOUTS))
def test_what_was_under_it_comes_back(pixel_format: str) -> None:
    planes = planes_of(pixel_format)
    before = [plane.copy() for plane in planes]
    under = patch(pixel_format=pixel_format)
    taken = under.lay(planes)
    assert all((plane != GREY).any() for plane in planes)
    under.take_off(planes, taken)
    assert all(np.array_equal(plane, was) for plane, was in zip(planes, before, strict=True))


@pytest.mark.parametrize("position", ["top_left", "top_right", "bottom_left", "bottom_right"])
def test_it_is_in_its_corner_at_its_margin(position: str) -> None:
    planes = planes_of("yuv420p")
    patch(position=position).lay(planes)
    top, bottom, left, right = changed(planes[0])
    margin = round(0.05 * HEIGHT)
    if position.startswith("top"):
        assert abs(top - margin) <= 1
    else:
        assert abs(HEIGHT - 1 - bottom - margin) <= 1
    if position.endswith("left"):
        assert abs(left - margin) <= 1
    else:
        assert abs(WIDTH - 1 - right - margin) <= 1
    # Chroma is drawn on in the same place.
    assert [value * 2 for value in changed(planes[1])] == pytest.approx([top, bottom, left, right], abs=2)


@pytest.mark.parametrize(
    ("pixel_format", "white", "black"), [("yuv420p", 235, 16), ("yuvj420p", 255, 0), ("rgb24", 255, 0)]
)
def test_letters_are_white_and_the_background_as_dark_as_asked(
    pixel_format: str, white: int, black: int
) -> None:
    solid, half, none = (planes_of(pixel_format) for _ in range(3))
    patch(pixel_format=pixel_format, background=1.0).lay(solid)
    patch(pixel_format=pixel_format, background=0.5).lay(half)
    patch(pixel_format=pixel_format, background=0.0).lay(none)
    top, _, left, _ = changed(solid[0])
    for planes in (solid, half, none):
        assert planes[0].max() in (white - 1, white)
        assert planes[0].min() <= black + 1
    assert solid[0][top, left] == black
    assert half[0][top, left] == pytest.approx((GREY + black) / 2, abs=2)
    assert none[0][top, left] == GREY


def test_behind_it_there_is_no_colour() -> None:
    planes = planes_of("nv12")
    patch(pixel_format="nv12", background=1.0).lay(planes)
    assert set(np.unique(planes[1])) == {GREY, 128}


@pytest.mark.parametrize(
    ("text", "drawn"), [("", False), ("   ", False), ("\n\n", False), ("x", True), ("a\n\nb", True)]
)
def test_where_there_is_nothing_to_say_nothing_is_drawn(text: str, drawn: bool) -> None:
    planes = planes_of("yuv420p")
    patch(text).lay(planes)
    assert bool((planes[0] != GREY).any()) == drawn


@pytest.mark.parametrize("size", [(64, 64), (66, 34), (320, 18), (18, 320), (16, 16)])
@pytest.mark.parametrize("position", ["top_left", "bottom_right"])
@pytest.mark.parametrize("pixel_format", sorted(LAYOUTS))
def test_it_stays_within_any_picture(size: tuple[int, int], position: str, pixel_format: str) -> None:
    width, height = size
    planes = planes_of(pixel_format, width, height)
    at = look(position=position, margin=0.25, size=0.25)
    tight = Patch(
        "many words\non\nmany\nlines\nand more",
        look=at,
        glyphs=Glyphs(Patch.glyph_height(at, height)),
        width=width,
        height=height,
        layout=LAYOUTS[pixel_format],
    )
    before = [plane.copy() for plane in planes]
    under = tight.lay(planes)
    tight.take_off(planes, under)
    assert all(np.array_equal(plane, was) for plane, was in zip(planes, before, strict=True))


def test_the_height_of_a_line_follows_the_picture() -> None:
    assert Patch.glyph_height(look(size=0.05), 1080) == 54
    assert Patch.glyph_height(look(size=0.01), 360) == 10
    assert Patch.glyph_height(look(size=0.25), 16) <= 8
