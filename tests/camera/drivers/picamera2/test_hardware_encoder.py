"""The hardware encoder on a fake: it was not tried on a board yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.camera.drivers.base import Wish
from edge_agent.camera.drivers.picamera2.hardware_encoder import HardwareEncoder, hardware_encoder_is_here
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.settings import Video
from edge_agent.errors import CameraError
from tests.camera.drivers.picamera2.fake import World
from tests.camera.drivers.picamera2.rig import Rig
from tests.camera.drivers.picamera2.sensors import SENSORS
from tests.camera.drivers.prints import frame_of


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "video11"
    path.touch()
    monkeypatch.setattr("edge_agent.camera.drivers.picamera2.camera.hardware_encoder_is_here", here)
    return path


def here(backend: object) -> bool:
    return not getattr(backend, "pisp", True)


def test_it_is_never_taken_on_a_pi_5_nor_on_a_pc_that_picamera2_takes_for_a_pi_4(tmp_path: Path) -> None:
    sensors = (SENSORS["imx219"],)
    there, absent = tmp_path / "video11", tmp_path / "none"
    there.touch()
    assert hardware_encoder_is_here(World(sensors, pisp=False).backend(), device=there)
    assert not hardware_encoder_is_here(World(sensors, pisp=False).backend(), device=absent)
    assert not hardware_encoder_is_here(World(sensors, pisp=True).backend(), device=there)


@pytest.mark.usefixtures("device")
def test_packets_are_passed_on_with_the_sensor_s_time_and_without_a_frame() -> None:
    rig = Rig("imx219", {"video": {"width": 1280, "height": 720}}, pisp=False)
    for _ in range(3):
        sample = rig.take()
        assert sample.frame is None
        (packet,) = sample.packets
        assert packet.keyframe
        assert packet.pts_us == sample.pts_us
    (still,) = rig.driver.stills(sample, Wish())
    assert (frame_of(still).width, frame_of(still).height) == (1280, 720)


@pytest.mark.usefixtures("device")
def test_nothing_is_encoded_while_the_camera_is_stopped_for_a_large_picture() -> None:
    rig = Rig("imx219", {"video": {"width": 640, "height": 480}}, pisp=False)
    last = rig.take()
    pictures = rig.driver.stills(last, Wish(size=(1640, 1232)))
    assert (frame_of(next(pictures)).width, rig.world.camera.encoders) == (1640, [])
    pictures.close()
    assert len(rig.world.camera.encoders) == 1
    after = rig.take()
    assert after.packets
    assert after.pts_us > last.pts_us


@pytest.mark.usefixtures("device")
def test_the_interval_of_keyframes_is_always_given_and_the_bit_rate_is_live() -> None:
    rig = Rig("imx219", {"video": {"width": 1280, "height": 720, "fps": 20}}, pisp=False)
    (encoder,) = rig.world.camera.encoders
    assert encoder.options["iperiod"] == 20
    rig.apply({"video": {"bitrate_bps": 3_000_000}})
    assert encoder.bitrate == 3_000_000
    rig.driver.set_bitrate(1_000_000)
    assert encoder.bitrate == 1_000_000
    assert rig.driver.applied().video.bitrate_bps == 3_000_000
    rig.driver.request_keyframe()
    assert encoder.keyframes == 1
    rig.configure({"video": {"width": 640, "height": 480}})
    assert len(rig.world.camera.encoders) == 1
    assert rig.world.camera.encoders[0] is not encoder
    assert rig.world.mistakes == []


@pytest.mark.usefixtures("device")
def test_profile_and_keyframe_interval_get_a_new_encoder_while_the_camera_runs_on() -> None:
    rig = Rig("imx219", {"video": {"width": 1280, "height": 720, "fps": 20}}, pisp=False)
    (first,) = rig.world.camera.encoders
    assert (first.options["profile"], rig.driver.applied().video.h264_profile) == ("high", "high")
    rig.apply({"video": {"h264_profile": "main", "keyframe_interval_s": 2.5}})
    (second,) = rig.world.camera.encoders
    assert second is not first
    assert (second.options["profile"], second.options["iperiod"]) == ("main", 50)
    held = rig.driver.applied().video
    assert (held.h264_profile, held.keyframe_interval_s) == ("main", 2.5)
    sample = rig.take()
    assert sample.frame is None
    assert sample.packets
    rig.apply({"video": {"fps": 10.0}})
    assert rig.world.camera.encoders[0].options["iperiod"] == 25
    assert rig.world.mistakes == []


@pytest.mark.usefixtures("device")
def test_beside_the_hardware_s_packets_there_is_a_small_picture_to_encode() -> None:
    rig = Rig("imx219", pisp=False)
    rig.driver.want_small(lambda _width, _height: (640, 360))
    rig.configure({"video": {"width": 1280, "height": 720}})
    sample = rig.take()
    assert sample.frame is None
    assert sample.packets
    assert sample.small is not None
    assert (sample.small.width, sample.small.height) == (640, 360)


@pytest.mark.usefixtures("device")
def test_a_rate_that_gives_way_to_the_network_outlasts_a_large_picture() -> None:
    rig = Rig("imx219", {"video": {"width": 640, "height": 480}}, pisp=False)
    rig.driver.set_bitrate(400_000)
    pictures = rig.driver.stills(rig.take(), Wish(size=(1640, 1232)))
    next(pictures)
    pictures.close()
    (encoder,) = rig.world.camera.encoders
    assert encoder.bitrate == 400_000
    assert rig.driver.applied().video.bitrate_bps != 400_000


@pytest.mark.usefixtures("device")
def test_what_the_hardware_cannot_is_not_offered() -> None:
    capabilities = Rig("imx219", pisp=False).capabilities
    assert {"video.quality", "video.h264_level"} <= capabilities.unavailable.keys()
    software = Rig("imx219", pisp=True).capabilities
    assert "video.h264_profile" not in {*software.controls, *software.unavailable}


@pytest.mark.usefixtures("device")
def test_a_bit_rate_at_which_it_stalls_is_not_offered() -> None:
    assert Rig("imx219", pisp=False).capabilities.controls["video.bitrate_bps"].min == 250_000


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(
    ("size", "options"),
    [((2560, 1440), Picamera2Options()), ((1280, 720), Picamera2Options(hardware_encoder="never"))],
)
def test_larger_pictures_and_who_does_not_want_it_get_frames(
    size: tuple[int, int], options: Picamera2Options
) -> None:
    rig = Rig("imx219", {"video": {"width": size[0], "height": size[1]}}, pisp=False, options=options)
    assert rig.take().frame is not None


@pytest.mark.usefixtures("device")
def test_where_it_does_not_start_the_picture_is_encoded_in_software(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError("ENOMEM")

    monkeypatch.setattr("tests.camera.drivers.picamera2.fake.FakePicamera2.start_encoder", refuse)
    assert Rig("imx219", {"video": {"width": 1280, "height": 720}}, pisp=False).take().frame is not None
    assert "does not start: ENOMEM; the picture is encoded in software" in caplog.text


def encoder_of(world: World, clock: list[float]) -> HardwareEncoder:
    camera = world.backend().picamera2()
    return HardwareEncoder(
        backend=world.backend(),
        camera=camera,
        video=Video(fps=30, bitrate_bps=1_000_000),
        monotonic=lambda: clock[0],
    )


def test_a_stalled_encoder_is_told_though_frames_come() -> None:
    clock = [0.0]
    encoder = encoder_of(World((SENSORS["imx219"],), pisp=False), clock)
    for _ in range(6):
        assert encoder.packets() == ()
    clock[0] = 2.5
    with pytest.raises(CameraError, match=r"stalls: no packet for 2\.5 s"):
        encoder.packets()


def test_what_it_is_handed_never_raises_and_is_bounded_to_a_keyframe() -> None:
    encoder = encoder_of(World((SENSORS["imx219"],), pisp=False), [0.0])
    encoder._take(None, True, 0)
    assert encoder.packets() == ()
    for number in range(125):
        encoder._take(b"x", False, number)
    assert encoder.packets() == ()
    encoder._take(b"x", False, 500)
    encoder._take(b"k", True, 600)
    assert [packet.keyframe for packet in encoder.packets()] == [True]
