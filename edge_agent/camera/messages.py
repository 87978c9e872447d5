"""What the agent and the camera child say to each other.

Requests of the agent: `open`, `apply`, `still`, `next`, `drop`, `focus`, `encode`, `keyframe`; each is
answered by `result` or `error`. `still` is answered with the first picture, each `next` with one more of the
same burst, and `drop` gives up what is left of it. `overlay` is not answered. The child beats once a second
by itself with a `Beat`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.settings import CameraSettings

__all__ = [
    "NOT_PUT_BACK",
    "Adaptive",
    "AdaptiveOptions",
    "Applied",
    "Apply",
    "Beat",
    "Dropped",
    "Encoded",
    "Encoding",
    "Focus",
    "FocusOutcome",
    "Keyframe",
    "Open",
    "Opened",
    "OverlayFields",
    "OverlayNames",
    "PictureTags",
    "StillInfo",
    "StillRequest",
    "StreamName",
    "SubBeat",
    "SubOptions",
    "Take",
]

# The code of the error after which nobody knows what the camera holds.
NOT_PUT_BACK: Final = "settings_not_put_back"

_TEXT_CHARS: Final = 200

StreamName = Literal["main", "sub"]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OverlayNames(_Body):
    """What stays while the camera runs: who this is, the time zone (None is the machine's), the font."""

    names: dict[str, str] = {}
    timezone: str | None = None
    font: Path | None = None


class AdaptiveOptions(_Body):
    """Whether the bit rate gives way to what gets through, and down to where."""

    enabled: bool = False
    floor_bps: int = 300_000


class SubOptions(_Body):
    """The second, small stream. A height of None follows the picture, a rate of None the main stream's.

    `listener_fd` is its packet socket's descriptor; a bit rate of None follows size and rate.
    """

    listener_fd: int
    width: int = 640
    height: int | None = None
    fps: float | None = None
    bitrate_bps: int | None = None
    encode: bool = True


class Open(_Body):
    """Open the camera, configure it and start. `listener_fd` is the packet socket's descriptor.

    `wanted` is a patch on the camera's own defaults; what the camera does not have of it is left out.
    `overlay` is what the overlay may say beside what the camera itself knows.
    """

    driver: str
    options: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    listener_fd: int
    encode: bool = True
    overlay: OverlayNames = OverlayNames()
    adaptive: AdaptiveOptions = AdaptiveOptions()
    sub: SubOptions | None = None


class Opened(_Body):
    """What was found, and what holds."""

    driver: str
    because: str
    capabilities: CameraCapabilities
    settings: CameraSettings
    left_out: dict[str, str] = {}


class Apply(_Body):
    """Make these settings hold. `interrupts` tells that the camera must be stopped for it."""

    settings: CameraSettings
    interrupts: bool


class Applied(_Body):
    """What holds now, read back from the driver."""

    settings: CameraSettings


class PictureTags(_Body):
    """What the agent knows of a picture, for its EXIF. The camera adds all that the frame itself tells."""

    node: str | None = Field(None, max_length=_TEXT_CHARS, description="HostComputer: the node's id")
    description: str | None = Field(None, max_length=_TEXT_CHARS, description="ImageDescription, in words")
    software: str | None = Field(None, max_length=_TEXT_CHARS, description="Null is this agent's version")


class StillRequest(_Body):
    """Take pictures while the stream goes on."""

    width: int | None = Field(None, ge=1, description="Null is the stream's, or follows from the height")
    height: int | None = Field(None, ge=1, description="Null is the stream's, or follows from the width")
    full: bool = Field(False, description="Take the largest picture that the sensor gives")
    format: Literal["jpeg", "png", "dng"] = "jpeg"
    quality: int = Field(90, ge=1, le=100, description="Of a JPEG")
    settings: dict[str, Any] = Field({}, description="A patch of the settings, for this one picture only")
    focus_first: bool = Field(False, description="Run an autofocus scan before")
    count: int = Field(1, ge=1, le=30, description="How many pictures, of consecutive frames")
    exif: PictureTags = PictureTags()


class Take(_Body):
    """A `StillRequest` as the camera carries it out: everything in it was checked.

    `size` is the finished picture's; None takes it as it comes. `larger` tells that the stream's frames are
    smaller. `settings` hold for the pictures only, `interrupts` tells that these need a new configuration.
    """

    request: StillRequest
    size: tuple[int, int] | None = None
    larger: bool = False
    settings: CameraSettings | None = None
    interrupts: bool = False
    timeout_s: float = 15.0


class StillInfo(_Body):
    """The picture that is attached.

    `captured_at` is the wall-clock time of the sensor's frame. `settings` held for it; `settings_shown` is
    false where its frame did not show what was set for it within the time that cameras take.
    `interrupted_frames` were lost to the stream until it was encoded, and `skipped_frames` came since the
    burst's last picture and were left out, as that many could not be encoded. `focus` tells how the scan
    before it ended.
    """

    width: int
    height: int
    format: str
    reading: Reading
    captured_at: datetime
    settings: CameraSettings
    settings_shown: bool = True
    interrupted_frames: int = 0
    skipped_frames: int = 0
    focus: Literal["focused", "failed", "timeout"] | None = None


class Dropped(_Body):
    """What was left of the pictures is given up."""


class Focus(_Body):
    """Run one autofocus scan."""

    timeout_s: float = 5.0


class FocusOutcome(_Body):
    """How a scan ended."""

    state: Literal["focused", "failed", "timeout"]
    lens_position: float | None
    focus_fom: int | None
    frames: int


class Encoding(_Body):
    """Encode, or do not; one stream or the other."""

    enabled: bool
    stream: StreamName = "main"


class Keyframe(_Body):
    """Make the next frame a keyframe, of one stream or the other."""

    stream: StreamName = "main"


class Adaptive(_Body):
    """How the bit rate is adapted. `reason` says why it is below the target, null where it is not.

    `active` tells that it would be: it is wanted, and something here encodes.
    """

    active: bool = Field(False, description="Whether it would be: it is wanted, and something here encodes")
    target_bps: int | None = Field(None, description="What was asked for")
    current_bps: int | None = Field(None, description="What is encoded by now")
    steps_down: int = Field(0, description="How often it was lowered")
    steps_up: int = Field(0, description="How often it was raised")
    reason: str | None = Field(None, description="Why it is below the target; null where it is not")

    def step_since(self, before: Adaptive) -> Literal["bitrate_lowered", "bitrate_raised"] | None:
        """Return what kind of step was made since, None where there was none or the camera began anew."""
        if self.steps_down > before.steps_down:
            return "bitrate_lowered"
        return "bitrate_raised" if self.steps_up > before.steps_up else None


class Encoded(_Body):
    """What the stream says of itself, read from what was encoded: never what was asked for."""

    encoder: str = Field(description="What encodes")
    width: int = Field(description="In pixels")
    height: int = Field(description="In pixels")
    profile: str | None = Field(None, description="What a player must know, by the parameter sets")
    level: str | None = Field(None, description="What it stays within, by the parameter sets")
    keyframe_interval_s: float | None = Field(None, description="Between the last two keyframes")
    bitrate_bps: int | None = Field(None, description="Over the last seconds")


class SubBeat(_Body):
    """What was measured of the substream. `failure` says why it has no packets, None where it has."""

    encoding: bool = False
    encoded: Encoded | None = None
    packets: int = 0
    last_packet_age_s: float | None = None
    dropped_packets: int = 0
    failure: str | None = None


class OverlayFields(_Body):
    """Values of fields of status for the overlay, by their paths."""

    values: dict[str, Any]


class Beat(_Body):
    """The child's pulse: what it measured over the last seconds.

    Ages count from the last one, or from the beginning where none has come; that of packets is None while
    nothing is to be encoded.
    """

    frames: int = 0
    fps: float | None = None
    last_frame_age_s: float | None = None
    packets: int = 0
    encoded_bytes: int = 0
    encoded_bps: int | None = None
    last_packet_age_s: float | None = None
    encoder: str | None = None
    encoded: Encoded | None = None
    encoding: bool = False
    consumers: int = 0
    sent_packets: int = 0
    dropped_packets: int = 0
    left_out_packets: dict[str, int] = {}
    queued_packets: int = 0
    adaptive: Adaptive = Adaptive()
    overlay_failure: str | None = None
    sub: SubBeat | None = None
    reading: Reading | None = None
