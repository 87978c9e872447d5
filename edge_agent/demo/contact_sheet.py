"""A picture before and after each control of the simulated camera, on one sheet.

    python -m edge_agent.demo.contact_sheet contact-sheet.jpg

Every change goes the way that a command goes: normalised, held against the camera's limits, applied, read
back. What the sheet shows under a picture is what was read back and what the sensor reports. Where it is the
encoder that changes, the picture is the one that a viewer decodes.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.developing import image_of
from edge_agent.camera.drivers.base import Driver, Sample
from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.camera.encoder_settings import EncoderSettings
from edge_agent.camera.limits import resolve, starting_settings
from edge_agent.camera.overlay.glyphs import missing
from edge_agent.camera.overlay.painter import Painter
from edge_agent.camera.settings import CameraSettings, flatten
from edge_agent.camera.software import SoftwareSettings
from edge_agent.clock import SystemClock
from edge_agent.storage import write_atomically

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL.Image import Image

__all__ = ["CHANGES", "Shot", "contact_sheet", "main"]

_WIDTH: Final = 480
_HEIGHT: Final = 270
_LABEL: Final = 44
_COLUMNS: Final = 4
_SETTLE_FRAMES: Final = 45
# What the encoder's rate control gets before its picture is looked at.
_ENCODED_FRAMES: Final = 45
_FPS: Final = 30.0
_ENCODERS: Final = {"video.bitrate_bps", "video.quality"}
_SOURCE: Final = {"video": {"width": 960, "height": 540, "fps": _FPS}}

# Each control that shows in a picture, by what shows it: the change, and the light it is shown in.
CHANGES: Final[tuple[tuple[str, Mapping[str, Any], float], ...]] = (
    ("as it is, by day", {}, 8000),
    ("as it is, at night", {}, 2),
    ("exposure.time_us, short", {"exposure": {"time_us": 100, "gain": 1.2}}, 8000),
    ("exposure.time_us, long", {"exposure": {"time_us": 4000, "gain": 1.2}}, 8000),
    ("exposure.gain, at night", {"exposure": {"time_us": 33000, "gain": 16.0}}, 2),
    ("exposure.ev +2", {"exposure": {"ev": 2.0}}, 8000),
    ("exposure.ev -2", {"exposure": {"ev": -2.0}}, 8000),
    ("exposure.max_time_us, dim", {"exposure": {"max_time_us": 1000}}, 60),
    ("exposure.exposure_mode short", {"exposure": {"exposure_mode": "short"}}, 60),
    ("exposure.exposure_mode long", {"exposure": {"exposure_mode": "long"}}, 60),
    ("exposure.metering_mode spot", {"exposure": {"metering_mode": "spot"}}, 8000),
    ("exposure.flicker 50hz", {"exposure": {"flicker": "50hz"}}, 200),
    ("white_balance daylight", {"white_balance": {"mode": "daylight"}}, 8000),
    ("white_balance tungsten", {"white_balance": {"mode": "tungsten"}}, 8000),
    ("white_balance ir_850nm", {"white_balance": {"mode": "ir_850nm"}}, 8000),
    ("white_balance gains", {"white_balance": {"red_gain": 3.0, "blue_gain": 1.0}}, 8000),
    ("white_balance.temperature_k", {"white_balance": {"temperature_k": 3000}}, 8000),
    ("focus.position 0 (infinity)", {"focus": {"position": 0.0}}, 8000),
    ("focus.position 8", {"focus": {"position": 8.0}}, 8000),
    ("image.brightness +0.4", {"image": {"brightness": 0.4}}, 8000),
    ("image.contrast 2", {"image": {"contrast": 2.0}}, 8000),
    ("image.saturation 0", {"image": {"saturation": 0.0}}, 8000),
    ("image.saturation 2", {"image": {"saturation": 2.0}}, 8000),
    ("image.sharpness 8", {"image": {"sharpness": 8.0}}, 8000),
    ("image.noise_reduction off, night", {"image": {"noise_reduction": "off"}}, 2),
    ("image.noise_reduction high, night", {"image": {"noise_reduction": "high_quality"}}, 2),
    ("view.roi, the middle", {"view": {"roi": {"x": 0.3, "y": 0.3, "width": 0.4, "height": 0.4}}}, 8000),
    ("view.hflip", {"view": {"hflip": True}}, 8000),
    ("view.vflip", {"view": {"vflip": True}}, 8000),
    ("view.rotation 180", {"view": {"rotation": 180}}, 8000),
    ("video.field_of_view crop", {"video": {"field_of_view": "crop"}}, 8000),
    ("video 640x480", {"video": {"width": 640, "height": 480}}, 8000),
    ("video.bitrate_bps, decoded", {"video": {"bitrate_bps": 4_000_000}}, 8000),
    ("video.bitrate_bps little, decoded", {"video": {"bitrate_bps": 100_000}}, 8000),
    ("video.quality 20, decoded", {"video": {"quality": 20}}, 8000),
    ("video.quality 45, decoded", {"video": {"quality": 45}}, 8000),
    ("overlay", {"overlay": {"enabled": True}}, 8000),
    (
        "overlay, what and where",
        {
            "overlay": {
                "enabled": True,
                "text": "{name} {date:%d.%m.%Y}\n{exposure_us} us, {lux} lux",
                "position": "top_right",
                "size": 0.07,
            }
        },
        8000,
    ),
)


@dataclass(frozen=True)
class Shot:
    """One picture of the sheet."""

    title: str
    told: str
    image: Image


def shoot(title: str, patch: Mapping[str, Any], lux: float) -> Shot:
    """Apply a change to a fresh camera in this light and take a picture when it has settled."""
    driver = SimulatedDriver(
        options=SimulatedOptions(lux=lux, start_hour=12.0), clock=SystemClock(), paced=False
    )
    software = SoftwareSettings(driver.open(), no_overlay=missing())
    settings, _ = starting_settings(_SOURCE, software.capabilities)
    driver.configure(settings)
    try:
        _frames(driver, _SETTLE_FRAMES)
        now = software.over(driver.applied(), settings)
        resolution = resolve(patch, current=now, capabilities=software.capabilities)
        if resolution.interrupts:
            driver.configure(resolution.settings)
        else:
            driver.apply(resolution.settings)
        sample = _frames(driver, _SETTLE_FRAMES)
        applied = software.over(driver.applied(), resolution.settings)
        held = flatten(applied.model_dump())
        reading = sample.reading
        with _painted(_frame_of(sample), applied, reading) as frame:
            image = image_of(frame)
        if _ENCODERS & set(flatten(patch)):
            image = _decoded(driver, EncoderSettings.of(applied.video))
    finally:
        driver.close()
    told = ", ".join(
        f"{path.partition('.')[2] or path}={held[path]}" for path in flatten(patch) if held[path]
    )
    sensor = f"{reading.exposure_us} us, gain {reading.analogue_gain}, fom {reading.focus_fom}"
    told = told.replace("\n", " / ")[:60]
    return Shot(title=title, told=f"{told} | {sensor}" if told else sensor, image=image)


@contextmanager
def _painted(frame: VideoFrame, settings: CameraSettings, reading: Reading) -> Iterator[VideoFrame]:
    painter = Painter(names={"name": "Porch"}, clock=SystemClock())
    painter.configure(settings.overlay)
    painter.note(reading, fps=_FPS)
    with painter.on(frame):
        yield frame


def _decoded(driver: Driver, settings: EncoderSettings) -> Image:
    """Return the picture that a viewer of an encoder with these settings sees."""
    from av import CodecContext, Packet  # noqa: PLC0415 - only where it shows something

    from edge_agent.camera.encoder import H264Encoder  # noqa: PLC0415 - see above

    decoder: Any = CodecContext.create("h264", "r")
    shown: list[VideoFrame] = []
    encoder: H264Encoder | None = None
    for number in range(_ENCODED_FRAMES):
        frame = _frame_of(_frames(driver, 1))
        encoder = encoder or H264Encoder(width=frame.width, height=frame.height, fps=_FPS, settings=settings)
        for packet in encoder.encode(frame, int(number * 1_000_000 / _FPS)):
            shown = decoder.decode(Packet(packet.data)) or shown
    if encoder is not None:
        encoder.close()
    shown = decoder.decode(None) or shown
    return image_of(shown[-1])


def _frame_of(sample: Sample) -> VideoFrame:
    if sample.frame is None:
        raise RuntimeError("the simulated camera gave no picture")
    return sample.frame


def _frames(driver: Driver, count: int) -> Sample:
    sample: Sample | None = None
    for _ in range(count):
        sample = driver.read(1.0) or sample
    if sample is None:
        raise RuntimeError("the simulated camera gave no frame")
    return sample


def contact_sheet(shots: list[Shot]) -> bytes:
    """Return the shots in rows, each with its title, as JPEG."""
    from PIL import Image as Picture  # noqa: PLC0415 - only where it shows something
    from PIL import ImageDraw  # noqa: PLC0415 - see above

    rows = -(-len(shots) // _COLUMNS)
    sheet = Picture.new("RGB", (_COLUMNS * _WIDTH, rows * (_HEIGHT + _LABEL)), (24, 24, 24))
    draw = ImageDraw.Draw(sheet)
    for number, shot in enumerate(shots):
        x, y = number % _COLUMNS * _WIDTH, number // _COLUMNS * (_HEIGHT + _LABEL)
        image = shot.image.copy()
        image.thumbnail((_WIDTH - 4, _HEIGHT))
        sheet.paste(image, (x + (_WIDTH - image.width) // 2, y + _LABEL))
        draw.text((x + 6, y + 4), shot.title, fill=(255, 255, 255), font_size=16)
        draw.text((x + 6, y + 25), shot.told, fill=(170, 170, 170), font_size=12)
    content = io.BytesIO()
    sheet.save(content, format="JPEG", quality=88)
    return content.getvalue()


def main() -> int:
    """Write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m edge_agent.demo.contact_sheet", description=__doc__)
    parser.add_argument("path", type=Path, nargs="?", default=Path("contact-sheet.jpg"))
    path: Path = parser.parse_args().path
    shots: list[Shot] = []
    for number, (title, patch, lux) in enumerate(CHANGES, 1):
        shots.append(shoot(title, patch, lux))
        sys.stderr.write(f"\r{number} of {len(CHANGES)}")
        sys.stderr.flush()
    write_atomically(path, contact_sheet(shots), mode=0o644)
    sys.stderr.write(f"\r{path} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
