"""Whether frames and packets come, by the beats of the camera's process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from edge_agent.camera.messages import Beat

__all__ = ["STALLS", "Stall", "StallCode", "stall_of"]

_AFTER_S: Final = 2.0
_AFTER_FRAMES: Final = 5

StallCode = Literal["camera_no_frames", "encoder_no_packets"]
# The problems, and what is done about them.
STALLS: Final[Mapping[StallCode, str]] = {
    "camera_no_frames": "the camera gives no frames; its process is restarted",
    "encoder_no_packets": "frames come and the encoder gives no packets; the camera's process is restarted",
}


@dataclass(frozen=True)
class Stall:
    """What has stopped; `reason` says so with how long ago, after "no"."""

    code: StallCode
    reason: str


def stall_of(beat: Beat, *, fps: float) -> Stall | None:
    """Return what does not come, at `fps` frames a second, None where all does."""
    patience_s = max(_AFTER_S, _AFTER_FRAMES / fps)
    frame_age_s, packet_age_s = beat.last_frame_age_s or 0.0, beat.last_packet_age_s or 0.0
    silent_s = max(frame_age_s, packet_age_s)
    if silent_s <= patience_s:
        return None
    if frame_age_s > patience_s:
        return Stall("camera_no_frames", f"frame for {silent_s:.1f} s")
    return Stall("encoder_no_packets", f"encoded packet for {silent_s:.1f} s")
