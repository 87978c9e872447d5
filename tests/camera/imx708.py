"""What a Camera Module 3 says of itself, and one without a lens drive."""

from __future__ import annotations

from edge_agent.camera.capabilities import CameraCapabilities, Control, Resolution, SensorMode, Size

_WINDOW = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}

CONTROLS = {
    "exposure.mode": Control(default="auto", options=("auto", "manual")),
    "exposure.time_us": Control(min=26, max=220416802, default=20000),
    "exposure.gain": Control(min=1.1228, max=16.0, default=1.1228),
    "exposure.ev": Control(min=-8, max=8, default=0.0),
    "exposure.min_time_us": Control(min=26, max=220416802),
    "exposure.max_time_us": Control(min=26, max=220416802),
    "exposure.constraint_mode": Control(default="normal", options=("normal", "highlight", "shadows")),
    "exposure.exposure_mode": Control(default="normal", options=("normal", "short", "long")),
    "exposure.metering_mode": Control(
        default="centre_weighted", options=("centre_weighted", "spot", "matrix")
    ),
    "exposure.flicker": Control(default="off", options=("off", "50hz", "60hz")),
    "white_balance.mode": Control(
        default="auto", options=("auto", "manual", "daylight", "cloudy", "indoor", "ir_850nm")
    ),
    "white_balance.red_gain": Control(min=0, max=32),
    "white_balance.blue_gain": Control(min=0, max=32),
    "white_balance.temperature_k": Control(min=100, max=100000),
    "focus.mode": Control(default="continuous", options=("manual", "auto", "continuous")),
    "focus.position": Control(min=0, max=15, default=1.0),
    "focus.range": Control(default="normal", options=("normal", "macro", "full")),
    "focus.speed": Control(default="normal", options=("normal", "fast")),
    "focus.window": Control(),
    "image.brightness": Control(min=-1, max=1, default=0.0),
    "image.contrast": Control(min=0, max=32, default=1.0),
    "image.saturation": Control(min=0, max=32, default=1.0),
    "image.sharpness": Control(min=0, max=16, default=1.0),
    "image.noise_reduction": Control(
        default="fast", options=("off", "fast", "high_quality", "minimal", "zsl")
    ),
    "view.roi": Control(default=_WINDOW),
    "view.hflip": Control(default=False, options=(False, True)),
    "view.vflip": Control(default=False, options=(False, True)),
    "view.rotation": Control(default=0, options=(0, 180)),
    "video.width": Control(min=64, max=4608),
    "video.height": Control(min=64, max=2592),
    "video.fps": Control(min=0.01, max=120.13),
    "video.field_of_view": Control(default="scale", options=("scale", "crop")),
    "video.bitrate_auto": Control(default=True, options=(True, False)),
    "video.bitrate_bps": Control(min=300_000, max=25_000_000),
}

IMX708 = CameraCapabilities(
    driver="picamera2",
    model="imx708",
    sensor="imx708",
    sensor_size=Size(width=4608, height=2592),
    modes=(
        SensorMode(width=1536, height=864, fps_max=120.13, crop=(768, 432, 3072, 1728)),
        SensorMode(width=2304, height=1296, fps_max=56.03),
        SensorMode(width=4608, height=2592, fps_max=14.35),
    ),
    resolutions=(
        Resolution(width=1280, height=720, fps_max=120.13),
        Resolution(width=1536, height=864, fps_max=120.13),
        Resolution(width=1920, height=1080, fps_max=56.03),
        Resolution(width=2304, height=1296, fps_max=56.03),
        Resolution(width=4608, height=2592, fps_max=14.35),
    ),
    any_size=True,
    controls=CONTROLS,
    unavailable={
        "hdr": "HDR of the sensor needs the camera closed",
        "view.rotation=90": "a camera cannot turn its picture on its side",
    },
)

FIXED_SIZES = IMX708.model_copy(update={"any_size": False})

NO_LENS_DRIVE = IMX708.model_copy(
    update={
        "model": "imx219",
        "controls": {path: control for path, control in CONTROLS.items() if not path.startswith("focus.")},
        "unavailable": {"focus.mode": "its lens is fixed"},
    }
)
