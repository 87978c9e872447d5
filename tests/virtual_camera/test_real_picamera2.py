"""The driver on the real picamera2 and libcamera, and the fake beside them. Run by `run`, see there."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_agent.camera.drivers.base import Sample, Wish
from edge_agent.camera.drivers.picamera2 import controls
from edge_agent.camera.drivers.picamera2.backend import load
from edge_agent.camera.drivers.picamera2.driver import Picamera2Driver
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.drivers.picamera2.raw import unpacked
from edge_agent.camera.messages import StillRequest
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.clock import SystemClock
from edge_agent.errors import CameraError, CameraUnavailableError
from tests.camera.drivers.picamera2 import fake
from tests.camera.drivers.prints import image_of, mean_of, printed
from tests.camera.living_camera import camera_at

pytestmark = pytest.mark.skipif(
    "VIRTUAL_CAMERA_ID" not in os.environ,
    reason="needs the root with virtual cameras: tests/virtual_camera/run",
)

SIZE = {"width": 640, "height": 480}


def opened(camera_id: str, size: dict[str, int] | None = None) -> Picamera2Driver:
    driver = Picamera2Driver(options=Picamera2Options(id=camera_id), clock=SystemClock())
    driver.open()
    driver.configure(merge(CameraSettings(), {"video": SIZE if size is None else size}))
    return driver


@pytest.fixture
def driver() -> Iterator[Picamera2Driver]:
    made = opened("Virtual0")
    yield made
    made.close()


@pytest.fixture
def rate(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    # The virtual cameras read it all the time; it must be back before a camera is stopped.
    yield monkeypatch
    monkeypatch.undo()


def take(driver: Picamera2Driver, count: int = 1) -> list[Sample]:
    samples = [driver.read(2.0) for _ in range(count)]
    assert None not in samples
    return [sample for sample in samples if sample is not None]


def rgb(sample: Sample) -> Any:
    assert sample.frame is not None
    return sample.frame.to_ndarray(format="rgb24")


def test_open_close_and_open_again() -> None:
    for _ in range(3):
        driver = opened("Virtual0")
        take(driver, 2)
        driver.close()


def test_the_picture_is_the_bars(driver: Picamera2Driver) -> None:
    (sample,) = take(driver)
    row = rgb(sample)[240]
    edges = np.abs(np.diff(row.astype(int), axis=0)).sum(axis=1) > 60
    assert 5 <= np.count_nonzero(edges) <= 40  # eight bars, upright


def test_the_colours_are_those_of_the_pictures_that_were_put_in() -> None:
    driver = opened("Images", {"width": 1280, "height": 720})
    try:
        (sample,) = take(driver)
        corner = rgb(sample)[20:60, 20:60].reshape(-1, 3).mean(axis=0)
        assert np.all(np.abs(corner - (40, 60, 80)) < 20)
    finally:
        driver.close()


def test_frames_come_at_the_camera_s_pace_with_its_times(driver: Picamera2Driver) -> None:
    samples = take(driver, 20)
    steps = [b.pts_us - a.pts_us for a, b in pairwise(samples)]
    assert min(steps) > 0
    assert 25_000 < sorted(steps)[len(steps) // 2] < 60_000


def test_a_rate_that_a_camera_accepts_and_does_not_heed_is_told_as_it_is(driver: Picamera2Driver) -> None:
    take(driver, 3)
    driver.apply(merge(driver.applied(), {"video": {"fps": 10.0}}))
    assert driver.applied().video.fps == 10.0  # accepted
    take(driver, 20)
    assert 20 < driver.applied().video.fps < 40


def test_two_cameras_at_once(driver: Picamera2Driver) -> None:
    other = opened("Virtual1", {"width": 1280, "height": 720})
    try:
        for _ in range(5):
            (one,), (two,) = take(driver), take(other)
            assert one.frame is not None
            assert two.frame is not None
            assert (one.frame.width, two.frame.width) == (640, 1280)
    finally:
        other.close()


async def test_two_camera_processes_run_one_camera_each(tmp_path: Path) -> None:
    async with (
        camera_at(tmp_path / "one", driver="picamera2", options={"id": "Virtual0"}, video=SIZE) as one,
        camera_at(
            tmp_path / "two",
            driver="picamera2",
            options={"id": "Virtual1"},
            video={"width": 1280, "height": 720},
        ) as two,
    ):
        for _ in range(3):
            (first, picture), (second, other) = await asyncio.gather(
                one.still(StillRequest()), two.still(StillRequest())
            )
            assert (first.width, second.width) == (640, 1280)
            assert picture != other
        assert (one.beat.encoding, two.beat.encoding) == (True, True)
        larger, _ = await one.still(StillRequest(full=True))
        assert (larger.width, larger.height) == (1920, 1080)
        assert larger.interrupted_frames > 0
        again, _ = await two.still(StillRequest())
        assert again.reading.sequence > second.reading.sequence
        assert (one.child.status.restarts, two.child.status.restarts) == (0, 0)


def test_a_hung_camera_gives_none_and_comes_back(driver: Picamera2Driver, rate: pytest.MonkeyPatch) -> None:
    take(driver, 3)
    rate.setenv("VIRTUAL_FPS", "0.001")
    assert [driver.read(0.3) for _ in range(6)][-3:] == [None, None, None]
    rate.undo()
    take(driver, 10)  # more than there are buffers: none was lost


def test_a_camera_that_hung_can_be_closed_and_opened_again(rate: pytest.MonkeyPatch) -> None:
    # Stopped while it hangs, libcamera keeps the interpreter's lock: only a kill from outside ends that.
    driver = opened("Virtual0")
    take(driver, 3)
    rate.setenv("VIRTUAL_FPS", "0.001")
    while driver.read(0.3) is not None:
        pass
    rate.undo()
    driver.close()
    with pytest.raises(CameraError, match="not open"):
        driver.read(0.1)
    again = opened("Virtual0")
    take(again, 3)
    again.close()


# picamera2 leaves its pipe open where it fails to open a camera.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_camera_in_use_is_told(driver: Picamera2Driver) -> None:
    take(driver)
    with pytest.raises(CameraUnavailableError, match=r"'Virtual0' does not open: .*busy"):
        opened("Virtual0")
    gc.collect()
    take(driver, 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_end_of_picamera2_s_own_loop_is_noticed_and_the_camera_closed() -> None:
    driver = opened("Virtual0")
    take(driver, 2)
    camera = driver._camera
    assert camera is not None

    def fail(_request: object) -> None:
        raise RuntimeError("an error in the camera's loop")

    camera._session.camera.post_callback = fail
    while driver.read(0.3) is not None:
        pass
    assert camera._session.started  # it believes that it runs
    with pytest.raises(CameraError, match="hangs: it cannot be stopped"):
        driver.configure(merge(CameraSettings(), {"video": SIZE}))
    driver.close()
    again = opened("Virtual0")
    take(again, 3)
    again.close()


def test_a_camera_that_is_not_there_is_told() -> None:
    with pytest.raises(CameraUnavailableError, match=r"no camera has the id 'imx708'; there are 0: "):
        opened("imx708")


def test_the_size_changes_while_it_runs(driver: Picamera2Driver) -> None:
    for width, height in ((1280, 720), (1920, 1080), (640, 480)):
        driver.configure(merge(driver.applied(), {"video": {"width": width, "height": height}}))
        (sample,) = take(driver)
        assert sample.frame is not None
        assert (sample.frame.width, sample.frame.height) == (width, height)


def test_a_size_that_libcamera_replaces_is_told_as_it_is(driver: Picamera2Driver) -> None:
    driver.configure(merge(driver.applied(), {"video": {"width": 1000, "height": 500}}))
    video = driver.applied().video
    (sample,) = take(driver)
    assert sample.frame is not None
    assert (sample.frame.width, sample.frame.height) == (video.width, video.height) != (1000, 500)


def test_a_jpeg_while_it_runs(driver: Picamera2Driver) -> None:
    (sample,) = take(driver)
    (still,) = driver.stills(sample, Wish())
    picture = image_of(printed(still))
    assert picture.size == (640, 480)
    assert sample.frame is not None
    assert np.abs(mean_of(picture) - mean_of(sample.frame)).max() < 3
    take(driver, 5)


def test_a_picture_larger_than_the_stream_and_back(driver: Picamera2Driver) -> None:
    before = driver.applied()
    (sample,) = take(driver)
    stills = list(driver.stills(sample, Wish(size=(1920, 1080), count=3)))
    sizes = {image_of(printed(still)).size for still in stills}
    assert sizes == {(1920, 1080)}
    numbers = [still.reading.sequence for still in stills]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    video = driver.applied().video
    assert (video.width, video.height) == (before.video.width, before.video.height)
    assert sample.frame is not None
    assert np.abs(mean_of(image_of(printed(stills[0]))) - mean_of(sample.frame)).max() < 5
    (after,) = take(driver)
    assert after.frame is not None
    assert (after.frame.width, after.frame.height) == (640, 480)


def test_a_camera_without_a_sensor_of_its_own_gives_no_raw_data(driver: Picamera2Driver) -> None:
    (sample,) = take(driver)
    with pytest.raises(CameraError, match="raw data cannot be had: the camera gives no raw data"):
        list(driver.stills(sample, Wish(raw=True)))
    take(driver, 3)


@pytest.mark.parametrize(("bits", "stride"), [(10, 80), (12, 96)])
def test_raw_data_are_unpacked_as_picamera2_s_own_writer_does(bits: int, stride: int) -> None:
    packed = np.random.default_rng(bits).integers(0, 256, (48, stride), np.uint8)
    camera = import_module("pidng.camdefs").BaseCameraModel()
    camera.fmt = {"format": f"SBGGR{bits}_CSI2P", "size": (64, 48), "stride": stride, "bpp": bits}
    writer = import_module("pidng.core").PICAM2DNG(camera)
    theirs = writer.__unpack_pixels__(packed)
    ours, order, found = unpacked(packed, f"SBGGR{bits}_CSI2P", width=64, decompress=lambda data: data)
    assert (order, found) == ("BGGR", bits)
    assert np.array_equal(ours, theirs[:48, :64])


def test_what_a_pi_5_compresses_is_decompressed_by_picamera2() -> None:
    helpers = import_module("picamera2.request").Helpers(SimpleNamespace())
    compressed = np.random.default_rng(1).integers(0, 256, (8, 64), np.uint8)
    ours, order, bits = unpacked(compressed, "RGGB16_PISP_COMP1", width=64, decompress=helpers.decompress)
    assert (order, bits, ours.shape, ours.dtype.itemsize) == ("RGGB", 16, (8, 64), 2)


def test_the_hardware_encoder_can_be_made_as_the_driver_makes_it() -> None:
    encoder_class, make_output, set_bitrate = load().hardware()
    taken: list[tuple[object, ...]] = []
    encoder = encoder_class(bitrate=1_000_000, repeat=True, iperiod=30, framerate=30.0, profile="high")
    encoder.output = make_output(lambda *packet: taken.append(packet))
    encoder.outputframe(b"x", keyframe=False, timestamp=40)
    encoder.force_key_frame()
    assert taken == [(b"x", False, 40)]
    with pytest.raises((OSError, TypeError)):
        set_bitrate(encoder, 2_000_000)  # there is no device


@pytest.mark.parametrize(
    ("real", "faked"),
    [
        ("picamera2:Picamera2", fake.FakePicamera2),
        ("picamera2.request:CompletedRequest", fake.FakeRequest),
        ("picamera2.request:MappedArray", fake.FakeMappedArray),
        ("picamera2.request:Helpers", fake.FakeHelpers),
        ("picamera2.job:Job", fake.FakeJob),
        ("picamera2.devices.imx708:IMX708", fake.FakeIMX708),
    ],
)
def test_the_fake_s_methods_have_the_signatures_of_the_real_ones(real: str, faked: type) -> None:
    module, _, name = real.partition(":")
    theirs = getattr(import_module(module), name)
    constructed = {"FakePicamera2", "FakeMappedArray"}  # the others are made by the fake itself
    methods = [m for m in vars(faked) if callable(getattr(faked, m)) and not m.startswith("_")]
    checked = [m for m in methods if m != "complete"] + ["__init__"] * (faked.__name__ in constructed)
    assert checked
    for method in checked:
        expected = inspect.signature(getattr(theirs, method)).parameters
        found = inspect.signature(getattr(faked, method)).parameters
        assert list(found) == list(expected), method
        for parameter, info in found.items():
            optional = expected[parameter].default is not inspect.Parameter.empty
            assert (info.default is not inspect.Parameter.empty) == optional, (method, parameter)


@pytest.mark.parametrize(
    "name", ["request_lock", "started", "camera_controls", "sensor_resolution", "helpers"]
)
def test_the_real_one_has_the_attributes_that_the_driver_uses(name: str) -> None:
    backend = load()
    ids = [camera["Id"] for camera in backend.picamera2.global_camera_info()]
    with backend.picamera2(ids.index("Virtual0")) as camera:
        assert getattr(camera, name) is not None
        assert hasattr(fake.FakePicamera2, name) or name in {"request_lock", "started", "helpers"}


@pytest.mark.parametrize(
    ("path", "enum"),
    [
        ("exposure.constraint_mode", "AeConstraintModeEnum"),
        ("exposure.exposure_mode", "AeExposureModeEnum"),
        ("exposure.metering_mode", "AeMeteringModeEnum"),
        ("focus.range", "AfRangeEnum"),
        ("focus.speed", "AfSpeedEnum"),
        ("image.noise_reduction", "draft.NoiseReductionModeEnum"),
        ("white_balance.mode", "AwbModeEnum"),
        ("focus.mode", "AfModeEnum"),
        ("hdr", "HdrModeEnum"),
    ],
)
def test_the_numbers_in_the_table_are_libcamera_s(path: str, enum: str) -> None:
    tables = {
        "white_balance.mode": controls.AWB_MODES,
        "focus.mode": controls.AF_MODES,
        "hdr": controls.HDR_MODES,
        **{path: choice.values for path, choice in controls.CHOICES.items()},
    }
    at: Any = import_module("libcamera").controls
    for part in enum.split("."):
        at = getattr(at, part)
    theirs = {name.lower(): int(number) for name, number in at.__members__.items()}
    for word, number in tables[path].items():
        assert theirs[word.replace("_", "")] == number, word
