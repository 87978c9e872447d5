"""Some pictures of the contact sheet: the whole of it is for people to look at."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from edge_agent.demo.contact_sheet import CHANGES, Shot, contact_sheet, shoot


def shot(title: str) -> Shot:
    return next(shoot(*change) for change in CHANGES if change[0] == title)


def packed_bytes(image: Image.Image) -> int:
    """Return the size as PNG: what an encoder has taken away needs none."""
    content = io.BytesIO()
    image.save(content, format="PNG")
    return len(content.getvalue())


def test_what_the_encoder_takes_away_is_seen() -> None:
    good, poor = shot("video.quality 20, decoded"), shot("video.quality 45, decoded")
    assert good.told.startswith("quality=20 |")
    assert packed_bytes(poor.image) < packed_bytes(good.image) / 2


def test_the_overlay_is_where_it_was_asked_for() -> None:
    plain, written = (
        np.asarray(each.image.convert("L"), float)
        for each in (shot("as it is, by day"), shot("overlay, what and where"))
    )
    height, width = plain.shape
    differs = np.abs(plain - written) > 40
    assert differs[: height // 5, width * 2 // 3 :].mean() > 0.2
    assert differs[height // 5 :, : width * 2 // 3].mean() < 0.02


def test_the_sheet_has_a_place_for_each() -> None:
    one = shot("as it is, by day")
    sheet = Image.open(io.BytesIO(contact_sheet([one] * 5)))
    assert sheet.format == "JPEG"
    assert sheet.size == (4 * 480, 2 * (270 + 44))
