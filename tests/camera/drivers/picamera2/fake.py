"""A picamera2 that is not there: the methods that the driver uses, with the real ones' signatures and traps.

That the signatures are the real ones is checked where the real one runs: `tests/virtual_camera`.
"""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import numpy as np

from edge_agent.camera.drivers.picamera2.backend import Backend
from tests.camera.drivers.picamera2.fake_encoder import FakeEncoder, set_bitrate
from tests.camera.drivers.picamera2.fake_optics import FakeOptics
from tests.camera.drivers.picamera2.sensors import FakeMode, Sensor, controls_of

# Frames until a control shows.
DELAY = 4


@dataclass(frozen=True)
class FakeTransform:
    hflip: bool = False
    vflip: bool = False
    transpose: bool = False


class FakeColorSpace:
    @staticmethod
    def Rec709() -> str:  # noqa: N802 - libcamera's name
        return "Rec709"


@dataclass
class World:
    """The board and what is plugged into it, and what the tests make go wrong."""

    sensors: tuple[Sensor, ...]
    pisp: bool = True
    hung: bool = False
    late: bool = False  # a frame comes at the very moment at which its waiting ends
    busy: bool = False
    only_nv12: bool = False
    other_transform: bool = False
    no_lores: bool = False
    deaf_lens: int = 0  # so many times the lens does not hear where to go
    sensor_hdr: bool = False
    opened: list[FakePicamera2] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    def backend(self) -> Backend:
        world = self

        class Picamera2(FakePicamera2):
            platform = SimpleNamespace(name="PISP" if world.pisp else "VC4")
            world_ = world

        return Backend(
            picamera2=Picamera2,
            mapped_array=FakeMappedArray,
            transform=FakeTransform,
            colour_space=FakeColorSpace,
            imx708=lambda: lambda camera_num=None: FakeIMX708(world, camera_num),
            hardware=lambda: (FakeEncoder, lambda take: SimpleNamespace(outputframe=take), set_bitrate),
        )

    @property
    def camera(self) -> FakePicamera2:
        return self.opened[-1]


class FakeIMX708:
    def __init__(self, world: World, camera_num: int | None) -> None:
        if any(camera.is_open for camera in world.opened):
            world.mistakes.append("the sensor's HDR was switched while the camera is open")
        self._world = world

    def set_sensor_hdr_mode(self, enable: bool) -> None:
        self._world.sensor_hdr = enable

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        return


class FakeRequest:
    def __init__(self, camera: FakePicamera2, metadata: dict[str, Any]) -> None:
        self.camera = camera
        self.config = dict(camera.camera_configuration())
        self._metadata = metadata
        self._released = False
        camera.out += 1

    def get_metadata(self) -> dict[str, Any]:
        return dict(self._metadata)

    def make_buffer(self, name: str) -> Any:
        if self.config.get(name) is None:
            raise RuntimeError(f"Stream {name!r} is not defined")
        return np.full(self.config[name]["stride"] * self.config[name]["size"][1], 64, np.uint8)

    def release(self) -> None:
        if self._released:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        self._released = True
        self.camera.out -= 1


class FakeHelpers:
    def decompress(self, array: Any) -> Any:
        raise RuntimeError("nothing is compressed here")


class FakeMappedArray:
    def __init__(self, request: FakeRequest, stream: str, reshape: bool = True, write: bool = True) -> None:
        self._config = request.config[stream]
        self.array: Any = None

    def __enter__(self) -> Self:
        (width, height), stride = self._config["size"], self._config["stride"]
        luma = np.full((height, stride), 255, np.uint8)  # what is beyond the width must not be seen
        luma[:, :width] = np.arange(width) % 200
        colour = np.full((height // 2, stride), 255, np.uint8)
        if self._config["format"] == "NV12":
            colour[:, 0:width:2], colour[:, 1:width:2] = 90, 160
        else:
            planes = colour.reshape(2, height // 2, stride // 2)
            planes[0, :, : width // 2], planes[1, :, : width // 2] = 90, 160
        self.array = np.concatenate([luma.ravel(), colour.ravel(), np.full(64, 255, np.uint8)])
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.array = None


class FakeJob:
    def __init__(self, camera: FakePicamera2) -> None:
        self._camera = camera
        self._result: FakeRequest | None = None
        self.cancelled = False

    def get_result(self, timeout: float | None = None) -> FakeRequest:
        camera, world = self._camera, self._camera.world_
        if self.cancelled:
            raise CancelledError
        if self._result is not None:
            return self._result
        if world.late:
            world.late = False
            camera.jobs.remove(self)
            self._result = camera.complete()
            raise TimeoutError
        if world.hung or not camera.started or camera.out >= camera.buffer_count:
            raise TimeoutError
        camera.jobs.remove(self)
        return camera.complete()


class FakePicamera2:
    platform: Any
    world_: World
    is_open: bool
    out: int

    def __init__(
        self, camera_num: int = 0, verbose_console: Any = None, tuning: Any = None, allocator: Any = None
    ) -> None:
        world = self.world_
        if world.busy or any(other.is_open for other in world.opened):
            raise RuntimeError("Camera __init__ sequence did not complete.") from RuntimeError(
                "Failed to acquire camera: Device or resource busy"
            )
        self.sensor = world.sensors[camera_num]
        self.tuning = tuning
        self.helpers = FakeHelpers()
        self.is_open = True
        self.started = False
        self.request_lock = threading.Lock()
        self.jobs: list[FakeJob] = []
        self.out = 0
        self.frame = 0
        self.buffer_count = 0
        self.modes_read = 0
        self.configurations: list[tuple[int, int]] = []
        self.sent: list[dict[str, Any]] = []
        self.encoders: list[FakeEncoder] = []
        self._timestamp_ns = 1_000_000_000_000
        self._due: list[tuple[int, dict[str, Any]]] = []
        self._optics = FakeOptics(world, self.sensor)
        self._told: dict[str, Any] = {}
        self._mode = self._modes[-1]
        self._config: dict[str, Any] = {}
        world.opened.append(self)

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return [
            {"Id": sensor.id, "Model": sensor.model, "Num": number, "Location": 2, "Rotation": 180}
            for number, sensor in enumerate(cls.world_.sensors)
        ]

    @classmethod
    def load_tuning_file(cls, tuning_file: str, dir: str | None = None) -> dict[str, Any]:  # noqa: A002 - picamera2's name
        for sensor in cls.world_.sensors:
            if tuning_file == f"{sensor.model}.json" and sensor.tuning:
                return sensor.tuning
        raise RuntimeError("Tuning file not found")

    @property
    def _modes(self) -> tuple[FakeMode, ...]:
        if self.world_.sensor_hdr and self.sensor.hdr_mode is not None:
            return (self.sensor.hdr_mode,)
        return self.sensor.modes

    @property
    def sensor_modes(self) -> list[dict[str, Any]]:
        if self.started:
            self.world_.mistakes.append("the sensor modes were read while the camera runs")
        self.modes_read += 1
        return [
            {
                "format": "SRGGB10_CSI2P",
                "unpacked": "SRGGB10",
                "bit_depth": mode.bit_depth,
                "size": mode.size,
                "fps": mode.fps,
                "crop_limits": mode.crop,
                "exposure_limits": (*mode.exposure, None),
            }
            for mode in self._modes
        ]

    @property
    def sensor_resolution(self) -> tuple[int, int]:
        return max(mode.size for mode in self._modes)

    @property
    def camera_properties(self) -> dict[str, Any]:
        return {"Model": self.sensor.model, "ScalerCropMaximum": self._mode.crop}

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        return controls_of(self.sensor, self._mode)

    def create_video_configuration(
        self,
        main: Any = None,
        lores: Any = None,
        raw: Any = "as large as the sensor's mode",
        transform: Any = None,
        colour_space: Any = None,
        buffer_count: int = 6,
        controls: Any = None,
        display: Any = "main",
        encode: Any = "main",
        queue: bool = True,
        sensor: Any = None,
        use_case: str = "video",
    ) -> dict[str, Any]:
        return {
            "main": dict(main),
            "lores": dict(lores) if lores else None,
            "transform": transform,
            "colour_space": colour_space,
            "buffer_count": buffer_count,
            "controls": controls,
            "sensor": sensor,
            "raw": raw,
        }

    def configure(self, camera_config: Any = None) -> None:
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        config = dict(camera_config)
        main = dict(config["main"])
        width, _ = main["size"]
        if self.world_.only_nv12:
            main["format"] = "NV12"
        main["stride"] = -(-width // 64) * 64
        if self.world_.other_transform:
            config["transform"] = FakeTransform()
        wanted = config["sensor"]
        self._mode = next(
            mode
            for mode in self._modes
            if (mode.size, mode.bit_depth) == (wanted["output_size"], wanted["bit_depth"])
        )
        if config["raw"] is not None:
            raw = config["raw"]["size"]
            assert raw == wanted["output_size"]
            config["raw"] = {"format": "SBGGR10_CSI2P", "size": raw, "stride": raw[0] * 5 // 4}
        self.configurations.append(main["size"])
        self.buffer_count = config["buffer_count"]
        if config["lores"]:
            if self.world_.no_lores:
                raise RuntimeError("lores stream cannot be had")
            small = {**config["lores"], "format": main["format"]}
            if small["size"][0] > main["size"][0] or small["size"][1] > main["size"][1]:
                raise RuntimeError("lores stream dimensions may not exceed main stream")
            small["stride"] = -(-small["size"][0] // 64) * 64
            config["lores"] = small
        self._config = {**config, "main": main}
        self._due = [(0, dict(config["controls"]))]
        self._optics.configure(self._mode, main["size"])

    def camera_configuration(self) -> dict[str, Any]:
        return self._config

    def start(self, config: Any = None, show_preview: Any = False) -> None:
        if not self._config:
            raise RuntimeError("Camera has not been configured")
        if self.world_.pisp:
            for _, controls in self._due:
                controls.pop("ScalerCrop", None)  # the crops of the configuration take its place
        self._due = [(self.frame, controls) for _, controls in self._due]
        self.started = True

    def stop(self) -> None:
        if self.jobs:
            self.world_.mistakes.append("stopped with a job in the queue: it would wait for ever")
        if self.out:
            self.world_.mistakes.append(f"{self.out} requests were not released")
        self.started = False

    def close(self) -> None:
        self.is_open = False
        self.started = False

    def set_controls(self, controls: Any) -> None:
        if not self.request_lock.locked():
            self.world_.mistakes.append("controls were set beside a request's release")
        for name, value in controls.items():
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
            if name == "AfTrigger" and controls.get("AfMode", self._optics.state.get("AfMode")) != 1:
                self.world_.mistakes.append("autofocus was triggered outside its mode")
            self._due.append((self.frame + DELAY, {name: value}))
        self.sent.append(dict(controls))

    def cancel_all_and_flush(self) -> None:
        for job in self.jobs:
            job.cancelled = True
        self.jobs.clear()

    def capture_request(self, wait: Any = None, signal_function: Any = None, flush: Any = None) -> FakeJob:
        if wait is not False:
            self.world_.mistakes.append("waited for a frame without being able to cancel it")
        if flush and "ExposureTime" not in self._told:
            raise KeyError("ExposureTime")
        job = FakeJob(self)
        self.jobs.append(job)
        return job

    def start_encoder(
        self, encoder: Any = None, output: Any = None, pts: Any = None, quality: Any = None, name: Any = None
    ) -> None:
        encoder.output = output
        self.encoders.append(encoder)

    def stop_encoder(self, encoders: Any = None) -> None:
        self.encoders.remove(encoders)

    def complete(self) -> FakeRequest:
        """A frame comes out of the camera."""
        self.frame += 1
        for due, controls in list(self._due):
            if due < self.frame:
                self._due.remove((due, controls))
                self._optics.take(controls, self.frame)
        self._told = self._optics.look(self.frame)
        duration_us = self._told["FrameDuration"]
        self._timestamp_ns += duration_us * 1000
        for encoder in self.encoders:
            stamp = self._timestamp_ns // 1000
            encoder.firsttimestamp = encoder.firsttimestamp or stamp
            encoder.output.outputframe(b"\x00\x00\x00\x01\x65", True, stamp - encoder.firsttimestamp)
        told = {"SensorTimestamp": self._timestamp_ns, **self._told, **self.world_.metadata}
        return FakeRequest(self, told)
