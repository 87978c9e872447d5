from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from edge_agent.camera.overlay import glyphs
from edge_agent.camera.overlay.glyphs import Glyphs, font_file, missing
from edge_agent.errors import CameraError

# Pillow's own font: the same on every machine.
OWN = Glyphs(40)


def test_there_is_a_font_here() -> None:
    assert missing() is None


def test_a_line_is_as_high_and_as_wide_as_it_says() -> None:
    drawn = OWN.lines(["Porch 12:34"], right=False)
    assert drawn.letters.shape == drawn.edged.shape == (40, OWN.width("Porch 12:34"))
    assert drawn.letters.max() == drawn.edged.max() == 255
    # The letters lie within their edge, which reaches further.
    assert np.all(drawn.edged >= drawn.letters)
    assert (drawn.edged > 0).sum() > 1.2 * (drawn.letters > 0).sum()


def test_nothing_of_high_and_deep_letters_is_cut_off() -> None:
    drawn = OWN.lines(["Wgjpqy|([", "Wgjpqy|(["], right=False)
    assert not drawn.letters[0].any()
    assert not drawn.letters[-1].any()


def test_a_clock_stands_still() -> None:
    assert len({OWN.width(f"{number:02d}:11:59") for number in range(24)}) == 1


@pytest.mark.parametrize("width", [30, 100, 200, 300])
def test_what_is_too_wide_ends_with_an_ellipsis(width: int) -> None:
    text = "a text that is far too long to fit"
    fitting = OWN.fitting(text, width)
    assert fitting.endswith("…")
    assert text.startswith(fitting[:-1])
    assert OWN.width(fitting) <= width
    assert OWN.fitting("short", 1000) == "short"


def test_a_letter_that_the_font_has_not_is_written_otherwise() -> None:
    assert (
        OWN.writable("Süd, Größe, é Ñ 7 °C µs \N{MULTIPLICATION SIGN}2 日")
        == "Sued, Groesse, e N 7 °C us x2 ?"
    )


def test_lines_are_flush_where_they_should_be() -> None:
    left = OWN.lines(["WWWW", "i"], right=False)
    right = OWN.lines(["WWWW", "i"], right=True)
    assert left.letters.shape == (80, OWN.width("WWWW"))
    middle = left.letters.shape[1] // 2
    assert left.letters[40:, :middle].any()
    assert not left.letters[40:, middle:].any()
    assert right.letters[40:, middle:].any()
    assert not right.letters[40:, :middle].any()
    assert OWN.lines([], right=True).letters.size == 0


def test_a_font_that_is_not_there_is_told_and_another_one_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(glyphs, "_FONTS", ())
    broken = tmp_path / "font.ttf"
    broken.write_bytes(b"no font")
    with caplog.at_level(logging.WARNING):
        assert font_file(broken) is None
    assert "font.ttf" in caplog.text
    assert font_file(None) is None
    with pytest.raises(CameraError, match=r"font\.ttf"):
        Glyphs(20, font_file=broken)
