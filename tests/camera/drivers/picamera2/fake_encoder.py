"""The encoder of the fake picamera2."""

from __future__ import annotations

from typing import Any


class FakeEncoder:
    def __init__(self, **options: Any) -> None:
        self.options = options
        self.firsttimestamp: int | None = None
        self.keyframes = 0
        self.bitrate = options["bitrate"]
        self.output: Any = None

    def force_key_frame(self) -> None:
        self.keyframes += 1


def set_bitrate(encoder: FakeEncoder, bps: int) -> None:
    encoder.bitrate = bps
