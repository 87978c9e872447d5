"""What a camera offers: read from the device, its sensor modes and its tuning; never assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.camera.capabilities import CameraCapabilities, Control, Resolution, Size, Stills
from edge_agent.camera.drivers.picamera2.controls import AF_MODES, AWB_MODES, CHOICES, HDR_MODES, NUMBERS
from edge_agent.camera.drivers.picamera2.modes import Mode, resolutions
from edge_agent.camera.drivers.picamera2.tuning import Tuning
from edge_agent.camera.presets import NOIR_GAINS
from edge_agent.camera.settings import CameraSettings, Window, flatten, software_settings

__all__ = ["Device", "capabilities_of"]

_SMALLEST_PX: Final = 64
_BITRATE_BPS: Final = (100_000, 25_000_000)
# The hardware encoder stalls below.
_HARDWARE_BITRATE_BPS: Final = (250_000, 25_000_000)
_KEYFRAME_INTERVAL_S: Final = (0.1, 60.0)
# 0 means automatic to libcamera, so a manual gain is above.
_LOWEST_COLOUR_GAIN: Final = 0.1
_FPS_LIMITS: Final = (0.1, 30.0)
_ON_ITS_SIDE: Final = "a camera can turn its picture upside down, not on its side"
_NOT_DRAWN: Final = (
    "the hardware encoder takes its frames from the camera itself; with 'hardware_encoder: never' in "
    "camera.options they can be drawn on"
)
_FIXED: Final = "the lens cannot be moved"
_MONO: Final = "the sensor sees no colours"
_MONO_DNG: Final = "a DNG is made of a sensor that sees colours only"
_LIMITS: Final = (
    "libcamera limits what auto chooses by the frame's length only: set 'video.fps', or 'exposure_mode' short"
)
_GREY_WORLD: Final = "the tuning is for a camera without infrared filter, kinds of light do nothing there"


@dataclass(frozen=True, slots=True)
class Device:
    """What was read of an open camera. `controls` is picamera2's `camera_controls`: (min, max, default)."""

    model: str
    id: str
    controls: Mapping[str, tuple[Any, Any, Any]]
    modes: tuple[Mode, ...]
    sizes: tuple[tuple[int, int], ...]
    tuning: Tuning
    pisp: bool
    hardware: bool
    raw: bool = False

    @property
    def colour(self) -> bool:
        """Whether the sensor sees colours; where there is no sensor's raw data, that is not known."""
        return "ColourGains" in self.controls or not self.modes

    @property
    def largest(self) -> tuple[int, int]:
        """The largest picture."""
        return max(self.sizes, key=lambda size: size[0] * size[1])

    @property
    def sensor_hdr(self) -> bool:
        """Whether the sensor itself has HDR."""
        return self.model.startswith("imx708") and bool(self.modes)

    @property
    def fps(self) -> tuple[float, float]:
        """The lowest and the highest frame rate."""
        low, high = _FPS_LIMITS
        durations = self.controls.get("FrameDurationLimits")
        if durations is not None and durations[0] and durations[1]:
            low, high = 1_000_000 / durations[1], round(1_000_000 / durations[0], 2)
        return low, max((mode.fps for mode in self.modes), default=high)


class _Offer:
    """Gathers what is offered and what is not, and why."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.controls: dict[str, Control] = {}
        self.unavailable: dict[str, str] = {}
        self._defaults = flatten(CameraSettings().model_dump())

    def words(
        self,
        path: str,
        options: tuple[str | int | bool, ...],
        reasons: Mapping[str, str] | None = None,
        *,
        default: str | None = None,
    ) -> None:
        default = self._defaults[path] if default is None else default
        self.controls[path] = Control(default=default if default in options else options[0], options=options)
        self.unavailable |= {f"{path}={value}": why for value, why in (reasons or {}).items()}

    def numbers(self, path: str, low: float, high: float, default: float | None = None) -> None:
        plain = self._defaults[path] if default is None else default
        if plain is not None:
            plain = min(max(plain, low), high)
        self.controls[path] = Control(min=low, max=high, default=plain)

    def absent(self, paths: tuple[str, ...], reason: str) -> None:
        self.unavailable |= dict.fromkeys(paths, reason)

    def range_of(self, control: str) -> tuple[Any, Any] | None:
        limits = self.device.controls.get(control)
        if limits is None or limits[0] is None or limits[1] is None:
            return None
        return limits[0], limits[1]


def capabilities_of(device: Device) -> CameraCapabilities:
    """Return the capabilities, with a reason for every setting that is not offered."""
    offer = _Offer(device)
    _exposure(offer)
    _white_balance(offer)
    _focus(offer)
    _image(offer)
    _hdr(offer)
    _view(offer)
    sizes = _video(offer)
    width, height = device.largest
    return CameraCapabilities(
        driver="picamera2",
        model=device.model,
        sensor=device.model.partition("_")[0] if device.modes else None,
        camera_id=device.id,
        sensor_size=Size(width=width, height=height),
        colour=device.colour,
        modes=tuple(mode.document() for mode in device.modes),
        resolutions=sizes,
        any_size=bool(device.modes),
        controls=offer.controls,
        unavailable=offer.unavailable,
        stills=_stills(device),
    )


def _stills(device: Device) -> Stills:
    """Return what pictures can be taken. A DNG takes a sensor with colour filters."""
    width, height = device.largest
    raw = bool(device.modes) and device.colour
    reason = _MONO_DNG if device.modes else "the camera gives no raw data"
    return Stills(
        formats=("jpeg", "png", "dng") if raw else ("jpeg", "png"),
        max_width=width,
        max_height=height,
        larger_interrupts_stream=True,
        raw=raw,
        raw_interrupts_stream=raw and not device.raw,
        unavailable={} if raw else {"dng": reason},
    )


def _choice(offer: _Offer, path: str, known: frozenset[str] | None) -> None:
    """Offer the words of a choice that the device's range and the tuning have."""
    choice = CHOICES[path]
    limits = offer.range_of(choice.control)
    if limits is None:
        offer.absent((path,), f"the camera has no {choice.control}")
        return
    there: list[str | int | bool] = []
    reasons: dict[str, str] = {}
    for word, number in choice.values.items():
        if not int(limits[0]) <= number <= int(limits[1]):
            reasons[word] = f"the camera's {choice.control} ends at {int(limits[1])}"
        elif (known is not None and word not in known) or (known is None and word == "custom"):
            reasons[word] = "the camera's tuning does not have it"
        else:
            there.append(word)
    if there:
        offer.words(path, tuple(there), reasons)
    else:
        offer.absent((path,), "the camera's tuning has none of its modes")


def _exposure(offer: _Offer) -> None:
    tuning = offer.device.tuning
    time = offer.range_of("ExposureTime")
    gain = offer.range_of("AnalogueGain")
    if time is None or gain is None or "AeEnable" not in offer.device.controls:
        offer.absent(
            ("exposure.mode", "exposure.time_us", "exposure.gain"), "the camera's exposure cannot be set"
        )
    else:
        spans = [mode.exposure_us for mode in offer.device.modes if mode.exposure_us is not None]
        offer.words("exposure.mode", ("auto", "manual"))
        offer.numbers(
            "exposure.time_us",
            min([max(int(time[0]), 1), *(span[0] for span in spans)]),
            max([int(time[1]), *(span[1] for span in spans)]),
        )
        offer.numbers("exposure.gain", float(gain[0]), float(gain[1]))
    ev = offer.range_of("ExposureValue")
    if ev is None:
        offer.absent(("exposure.ev",), "the camera has no ExposureValue")
    else:
        offer.numbers("exposure.ev", float(ev[0]), float(ev[1]))
    offer.absent(("exposure.min_time_us", "exposure.max_time_us"), _LIMITS)
    _choice(offer, "exposure.constraint_mode", tuning.constraint_modes)
    _choice(offer, "exposure.exposure_mode", tuning.exposure_modes)
    _choice(offer, "exposure.metering_mode", tuning.metering_modes)
    if "AeFlickerMode" in offer.device.controls and "AeFlickerPeriod" in offer.device.controls:
        offer.words("exposure.flicker", ("off", "50hz", "60hz"))
    else:
        offer.absent(("exposure.flicker",), "the camera has no AeFlickerMode")


def _white_balance(offer: _Offer) -> None:
    device = offer.device
    paths = ("white_balance.mode", "white_balance.red_gain", "white_balance.blue_gain")
    gains = offer.range_of("ColourGains")
    if gains is None or "AwbEnable" not in device.controls:
        reason = _MONO if not device.colour else "the camera's white balance cannot be set"
        offer.absent((*paths, "white_balance.temperature_k"), reason)
        return
    known = device.tuning.awb_modes
    options: list[str | int | bool] = ["auto", "manual"]
    reasons: dict[str, str] = {}
    for word in AWB_MODES:
        if word == "auto":
            continue
        if device.tuning.grey_world or "AwbMode" not in device.controls:
            reasons[word] = _GREY_WORLD if device.tuning.grey_world else "the camera has no AwbMode"
        elif (known is not None and word not in known) or (known is None and word == "custom"):
            reasons[word] = "the camera's tuning does not have it"
        else:
            options.append(word)
    offer.words("white_balance.mode", (*options, *NOIR_GAINS), reasons)
    low, high = max(float(gains[0]), _LOWEST_COLOUR_GAIN), float(gains[1])
    offer.numbers("white_balance.red_gain", low, high)
    offer.numbers("white_balance.blue_gain", low, high)
    temperature = offer.range_of("ColourTemperature")
    if temperature is None or device.tuning.grey_world:
        reason = "the camera has no ColourTemperature" if temperature is None else _GREY_WORLD
        offer.absent(("white_balance.temperature_k",), reason)
    else:
        offer.numbers("white_balance.temperature_k", int(temperature[0]), int(temperature[1]))


def _focus(offer: _Offer) -> None:
    paths = ("focus.mode", "focus.position", "focus.range", "focus.speed", "focus.window")
    lens = offer.range_of("LensPosition")
    if lens is None or "AfMode" not in offer.device.controls:
        offer.absent(paths, _FIXED)
        return
    offer.words("focus.mode", tuple(AF_MODES))
    offer.numbers("focus.position", float(lens[0]), float(lens[1]))
    _choice(offer, "focus.range", frozenset(CHOICES["focus.range"].values))
    _choice(offer, "focus.speed", frozenset(CHOICES["focus.speed"].values))
    if "AfWindows" in offer.device.controls and "ScalerCrop" in offer.device.controls:
        offer.controls["focus.window"] = Control()
    else:
        offer.absent(("focus.window",), "the camera has no AfWindows")


def _image(offer: _Offer) -> None:
    for path, control in NUMBERS.items():
        if not path.startswith("image."):
            continue
        limits = offer.range_of(control)
        if limits is None:
            mono = control == "Saturation" and not offer.device.colour
            offer.absent((path,), _MONO if mono else f"the camera has no {control}")
        else:
            offer.numbers(path, float(limits[0]), float(limits[1]))
    _choice(offer, "image.noise_reduction", frozenset(CHOICES["image.noise_reduction"].values))


def _hdr(offer: _Offer) -> None:
    device = offer.device
    # On Pi 4 and older the control is there, too, but does nothing.
    processor = device.pisp and "HdrMode" in device.controls
    options = ["off"]
    reasons: dict[str, str] = {}
    if device.sensor_hdr:
        options.append("sensor")
    else:
        reasons["sensor"] = f"the sensor of {device.model} has no HDR of its own"
    for word in HDR_MODES:
        if word == "off":
            continue
        if processor:
            options.append(word)
        else:
            reasons[word] = "only the Pi 5's processor has it"
    if len(options) == 1:
        offer.absent(("hdr",), "neither this sensor nor this board's processor has HDR")
        return
    reasons["auto"] = f"choose one of {', '.join(options)}"
    offer.words("hdr", tuple(options), reasons)


def _view(offer: _Offer) -> None:
    device = offer.device
    crop = offer.range_of("ScalerCrop")
    if crop is None:
        offer.absent(("view.roi",), "the camera cannot crop")
    else:
        offer.controls["view.roi"] = Control(default=Window().model_dump())
    if device.modes:
        offer.words("view.hflip", (False, True))
        offer.words("view.vflip", (False, True))
        offer.words("view.rotation", (0, 180), {"90": _ON_ITS_SIDE, "270": _ON_ITS_SIDE})
    else:
        reason = "only Raspberry Pi's sensors say whether they were turned"
        offer.absent(("view.hflip", "view.vflip", "view.rotation"), reason)
    offer.absent(("view.lens_correction",), "the camera's processor cannot straighten lines")


def _video(offer: _Offer) -> tuple[Resolution, ...]:
    device = offer.device
    low, high = device.fps
    width, height = device.largest
    if device.modes:
        listed = resolutions(device.modes, width=width, height=height)
        offer.words("video.field_of_view", ("scale", "crop"))
        smallest = (_SMALLEST_PX, _SMALLEST_PX)
    else:
        listed = tuple(Resolution(width=w, height=h, fps_max=high) for w, h in sorted(device.sizes))
        offer.absent(("video.field_of_view",), "the camera has no sensor modes to choose from")
        smallest = (min(w for w, _ in device.sizes), min(h for _, h in device.sizes))
    plain = flatten(CameraSettings().model_dump())
    start = min(
        listed,
        key=lambda r: (abs(r.width - plain["video.width"]) + abs(r.height - plain["video.height"]), r.width),
    )
    offer.numbers("video.width", smallest[0], width, start.width)
    offer.numbers("video.height", smallest[1], height, start.height)
    if "FrameDurationLimits" in device.controls:
        offer.numbers("video.fps", low, high, min(plain["video.fps"], start.fps_max))
    else:
        offer.absent(("video.fps",), "the camera's frame rate cannot be set")
    offer.words("video.bitrate_auto", (True, False))
    bitrate = _HARDWARE_BITRATE_BPS if device.hardware else _BITRATE_BPS
    offer.numbers("video.bitrate_bps", *bitrate)
    if device.hardware:
        offer.words("video.h264_profile", ("baseline", "main", "high"), default="high")
        offer.numbers("video.keyframe_interval_s", *_KEYFRAME_INTERVAL_S)
        offer.absent(
            ("video.h264_level",), "picamera2 chooses the hardware encoder's level by size and rates"
        )
        overlay = tuple(path for path in software_settings() if path.startswith("overlay."))
        offer.absent(overlay, _NOT_DRAWN)
        offer.absent(("video.quality",), "the hardware encoder keeps to a bit rate only")
    return listed
