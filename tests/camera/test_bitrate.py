from __future__ import annotations

import pytest

from edge_agent.camera.bitrate import auto_bitrate_bps


@pytest.mark.parametrize(
    ("width", "height", "fps", "bps"),
    [
        (1920, 1080, 30, 8_000_000),
        (1920, 1080, 60, 11_310_000),
        (1280, 720, 30, 4_350_000),
        (640, 480, 30, 1_910_000),
        (4608, 2592, 14.35, 20_570_000),
        (4608, 2592, 120, 25_000_000),
        (64, 64, 1, 300_000),
    ],
)
def test_the_bit_rate_follows_size_and_rate_between_two_bounds(
    width: int, height: int, fps: float, bps: int
) -> None:
    assert auto_bitrate_bps(width, height, fps) == bps
