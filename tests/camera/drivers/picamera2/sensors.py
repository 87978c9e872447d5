"""Raspberry Pi's sensors as libcamera tells of them: their modes, limits and tunings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Crop = tuple[int, int, int, int]


@dataclass(frozen=True)
class FakeMode:
    size: tuple[int, int]
    fps: float
    crop: Crop
    exposure: tuple[int, int]
    bit_depth: int = 10


@dataclass(frozen=True)
class Sensor:
    model: str
    modes: tuple[FakeMode, ...]
    gain: tuple[float, float]
    colour: bool = True
    lens: tuple[float, float] | None = None
    tuning: dict[str, Any] = field(default_factory=dict)
    hdr_mode: FakeMode | None = None

    @property
    def id(self) -> str:
        return f"/base/axi/pcie@1000120000/rp1/i2c@88000/{self.model}@1a"


def tuning(*, bayes: bool = True, shadows: bool = True) -> dict[str, Any]:
    constraints: dict[str, list[Any]] = {"normal": [], "highlight": []}
    if shadows:
        constraints["shadows"] = []
    awb: dict[str, Any] = {"bayes": 0}
    if bayes:
        words = ("auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy")
        awb = {"modes": {word: {} for word in words}, "bayes": 1}
    agc = {
        "metering_modes": {"centre-weighted": {}, "spot": {}, "matrix": {}},
        "exposure_modes": {"normal": {}, "short": {}, "long": {}},
        "constraint_modes": constraints,
    }
    return {"version": 2.0, "algorithms": [{"rpi.awb": awb}, {"rpi.agc": {"channels": [agc, {}]}}]}


_LONG = 220_416_802
_IMX708 = (
    FakeMode((1536, 864), 120.13, (768, 432, 3072, 1728), (9, 77_208_384)),
    FakeMode((2304, 1296), 56.03, (0, 0, 4608, 2592), (13, 112_015_096)),
    FakeMode((4608, 2592), 14.35, (0, 0, 4608, 2592), (26, _LONG)),
)
_IMX708_HDR = FakeMode((2304, 1296), 30.0, (0, 0, 4608, 2592), (13, 112_015_096))
_IMX219 = (
    FakeMode((640, 480), 103.33, (1000, 752, 1280, 960), (75, 11_766_829)),
    FakeMode((1640, 1232), 41.85, (0, 0, 3280, 2464), (75, 11_766_829)),
    FakeMode((1920, 1080), 47.57, (680, 692, 1920, 1080), (75, 11_766_829)),
    FakeMode((3280, 2464), 21.19, (0, 0, 3280, 2464), (75, 11_766_829)),
    FakeMode((640, 480), 103.33, (1000, 752, 1280, 960), (75, 11_766_829), 8),
    FakeMode((1640, 1232), 41.85, (0, 0, 3280, 2464), (75, 11_766_829), 8),
)
_OV5647 = (
    FakeMode((640, 480), 58.92, (16, 0, 2560, 1920), (130, 3_066_979)),
    FakeMode((1296, 972), 46.34, (0, 0, 2592, 1944), (130, 3_066_979)),
    FakeMode((1920, 1080), 32.81, (348, 434, 1928, 1080), (130, 3_066_979)),
    FakeMode((2592, 1944), 15.63, (0, 0, 2592, 1944), (130, 3_066_979)),
)
_IMX477 = (
    FakeMode((1332, 990), 120.05, (696, 528, 2664, 1980), (31, 667_234_896)),
    FakeMode((2028, 1080), 50.03, (0, 440, 4056, 2160), (60, 667_244_877), 12),
    FakeMode((2028, 1520), 40.01, (0, 0, 4056, 3040), (60, 674_181_621), 12),
    FakeMode((4056, 3040), 10.0, (0, 0, 4056, 3040), (114, 694_422_939), 12),
)
_IMX296 = (FakeMode((1456, 1088), 60.38, (0, 0, 1456, 1088), (29, 15_534_385)),)

SENSORS = {
    sensor.model: sensor
    for sensor in (
        Sensor("imx708", _IMX708, (1.1228, 16.0), lens=(0.0, 15.0), tuning=tuning(), hdr_mode=_IMX708_HDR),
        Sensor(
            "imx708_wide_noir",
            _IMX708,
            (1.1228, 16.0),
            lens=(0.0, 32.0),
            tuning=tuning(bayes=False),
            hdr_mode=_IMX708_HDR,
        ),
        Sensor("imx219", _IMX219, (1.0, 10.6667), tuning=tuning(shadows=False)),
        Sensor("ov5647", _OV5647, (1.0, 63.9375), tuning=tuning(shadows=False)),
        Sensor("imx477", _IMX477, (1.0, 22.2609), tuning=tuning()),
        Sensor("imx296", _IMX296, (1.0, 15.7), colour=False, tuning=tuning(shadows=False)),
    )
}


def controls_of(sensor: Sensor, mode: FakeMode) -> dict[str, tuple[Any, Any, Any]]:
    """Return picamera2's `camera_controls` in this mode: (min, max, default)."""
    controls: dict[str, tuple[Any, Any, Any]] = {
        "AeEnable": (False, True, True),
        "ExposureTime": (*mode.exposure, 20_000),
        "AnalogueGain": (*sensor.gain, 1.0),
        "ExposureValue": (-8.0, 8.0, 0.0),
        "AeConstraintMode": (0, 3, 0),
        "AeExposureMode": (0, 3, 0),
        "AeMeteringMode": (0, 3, 0),
        "AeFlickerMode": (0, 1, 0),
        "AeFlickerPeriod": (100, 1_000_000, None),
        "Brightness": (-1.0, 1.0, 0.0),
        "Contrast": (0.0, 32.0, 1.0),
        "Sharpness": (0.0, 16.0, 1.0),
        "NoiseReductionMode": (0, 4, 0),
        "FrameDurationLimits": (int(1e6 / mode.fps), 220_535_845, 33_333),
        "ScalerCrop": ((0, 0, 64, 64), mode.crop, mode.crop),
        "HdrMode": (0, 4, 0),
    }
    if sensor.colour:
        controls |= {
            "AwbEnable": (False, True, None),
            "AwbMode": (0, 7, 0),
            "ColourGains": (0.0, 32.0, None),
            "ColourTemperature": (100, 100_000, None),
            "Saturation": (0.0, 32.0, 1.0),
        }
    if sensor.lens is not None:
        controls |= {
            "AfMode": (0, 2, 0),
            "AfRange": (0, 2, 0),
            "AfSpeed": (0, 1, 0),
            "AfMetering": (0, 1, 0),
            "AfWindows": ((0, 0, 0, 0), (65535, 65535, 65535, 65535), (0, 0, 0, 0)),
            "AfTrigger": (0, 1, 0),
            "AfPause": (0, 2, 0),
            "LensPosition": (*sensor.lens, 1.0),
        }
    return controls
