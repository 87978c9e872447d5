"""The driver on a fake picamera2: each test that is about a trap of the real one names it."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest

from edge_agent.camera.drivers.picamera2.driver import Picamera2Driver
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.clock import SystemClock
from edge_agent.errors import CameraError, CameraUnavailableError
from tests.camera.drivers.picamera2.fake import FakeRequest, World
from tests.camera.drivers.picamera2.rig import SETTLED, Rig
from tests.camera.drivers.picamera2.sensors import SENSORS


@pytest.mark.parametrize("only_nv12", [False, True])
def test_the_padding_of_a_buffer_is_not_in_the_picture(only_nv12: bool) -> None:
    rig = Rig(patch={"video": {"width": 1000, "height": 500}}, only_nv12=only_nv12)
    frame = rig.take().frame
    assert frame is not None
    assert frame.format.name == ("nv12" if only_nv12 else "yuv420p")
    assert (frame.width, frame.height) == (1000, 500)
    flat = frame.reformat(format="yuv420p").to_ndarray()
    assert np.all(flat[:500] == np.arange(1000) % 200)
    assert set(np.unique(flat[500:])) == {90, 160}


def test_yuv420_that_is_silently_adjusted_to_nv12_is_taken_as_such() -> None:
    frame = Rig(only_nv12=True).take().frame
    assert frame is not None
    assert frame.format.name == "nv12"


def test_a_hung_camera_gives_none_and_leaves_no_job_in_the_queue() -> None:
    rig = Rig()
    rig.take()
    rig.world.hung = True
    assert rig.driver.read(0.01) is None
    assert rig.driver.read(0.01) is None
    assert rig.world.camera.jobs == []
    rig.world.hung = False
    rig.take()
    rig.driver.close()
    assert rig.world.mistakes == []


def test_a_frame_that_comes_as_its_waiting_ends_is_used_and_its_buffer_not_lost() -> None:
    rig = Rig()
    for _ in range(20):
        rig.world.late = True
        assert rig.driver.read(0.01) is not None
    assert rig.world.camera.out == 0


def test_requests_are_released_also_where_the_frame_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()

    def fail(_request: FakeRequest) -> None:
        raise OSError("dma-buf")

    monkeypatch.setattr(FakeRequest, "get_metadata", fail)
    with pytest.raises(CameraError, match="a frame cannot be read: OSError: dma-buf"):
        rig.driver.read(1.0)
    assert rig.world.camera.out == 0


def test_controls_are_not_lost_beside_a_release() -> None:
    # A release replaces picamera2's controls: setting them without its lock is a mistake to the fake.
    rig = Rig()
    rig.apply({"image": {"contrast": 2.0}})
    assert rig.world.mistakes == []


def test_sensor_modes_are_read_once_before_the_start() -> None:
    rig = Rig()
    rig.configure({"video": {"width": 640, "height": 480}})
    rig.take()
    assert rig.world.camera.modes_read == 1
    assert rig.world.mistakes == []


def test_the_crop_is_set_after_the_start_as_a_pi_5_forgets_it_before() -> None:
    roi = {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}
    rig = Rig(patch={"view": {"roi": roi}})
    assert rig.reading(SETTLED).crop == (1152, 648, 2304, 1296)
    assert rig.driver.applied().view.roi.model_dump() == roi


def test_a_transform_that_libcamera_replaces_is_refused() -> None:
    rig = Rig()
    rig.world.other_transform = True
    with pytest.raises(CameraError, match="turns its picture otherwise than asked"):
        rig.configure({"view": {"hflip": True}})


@pytest.mark.parametrize("rotation", [90, 270])
def test_turns_by_a_quarter_are_refused(rotation: int) -> None:
    with pytest.raises(CameraError, match=f"cannot be {rotation}: imx708 turns its picture by 0 or 180"):
        Rig(patch={"view": {"rotation": rotation}})


@pytest.mark.parametrize(
    ("view", "hflip", "vflip"),
    [
        ({"rotation": 180}, True, True),
        ({"rotation": 180, "hflip": True}, False, True),
        ({"vflip": True}, False, True),
    ],
)
def test_flips_and_turns_come_to_one_transform(view: dict[str, object], hflip: bool, vflip: bool) -> None:
    rig = Rig(patch={"view": view})
    transform = rig.world.camera.camera_configuration()["transform"]
    assert (transform.hflip, transform.vflip) == (hflip, vflip)


def test_raw_buffers_are_not_allocated_and_colours_are_rec709_at_every_size() -> None:
    rig = Rig(patch={"video": {"width": 640, "height": 480}}, options=Picamera2Options(buffer_count=3))
    configuration = rig.world.camera.camera_configuration()
    assert configuration["raw"] is None
    assert configuration["colour_space"] == "Rec709"
    assert configuration["buffer_count"] == 3


def test_only_what_differs_is_sent() -> None:
    rig = Rig()
    assert rig.apply({"image": {"contrast": 2.0}}) == {"Contrast": 2.0}
    assert rig.apply({"image": {"contrast": 2.0}}) == {}
    assert rig.apply({"exposure": {"time_us": 5000}}) == {"ExposureTime": 5000}
    assert rig.apply({"exposure": {"gain": 2.0}}) == {"AnalogueGain": 2.0}


def test_zero_gives_exposure_back_to_the_automatic() -> None:
    rig = Rig(patch={"exposure": {"time_us": 5000, "gain": 2.0}})
    rig.take(SETTLED)
    assert rig.apply({"exposure": {"mode": "auto"}}) == {"ExposureTime": 0, "AnalogueGain": 0.0}
    reading = rig.reading(SETTLED)
    assert (reading.exposure_us, reading.analogue_gain) == (12_012, 1.5)
    assert rig.driver.applied().exposure.time_us is None


def test_a_quantised_exposure_is_told_as_it_is() -> None:
    rig = Rig()
    rig.apply({"exposure": {"time_us": 10_000}})
    assert rig.driver.applied().exposure.time_us == 10_000  # accepted, and no frame shows it yet
    rig.take(2)
    assert rig.driver.applied().exposure.time_us == 10_000
    assert rig.settled().exposure.time_us == 9997


def test_an_exposure_is_capped_by_the_frame_duration() -> None:
    rig = Rig()
    rig.apply({"exposure": {"time_us": 500_000}})
    assert rig.driver.applied().exposure.time_us == 33_333


def test_manual_exposure_without_values_keeps_what_auto_found() -> None:
    rig = Rig()
    rig.take(3)
    assert rig.apply({"exposure": {"mode": "manual"}}) == {"AeEnable": False}
    exposure = rig.settled().exposure
    assert (exposure.mode, exposure.time_us, exposure.gain) == ("manual", 12_012, 1.5)
    assert rig.apply({"exposure": {"mode": "auto"}})["AeEnable"] is True


def test_one_colour_gain_takes_the_present_one_beside_it() -> None:
    rig = Rig()
    rig.take()
    assert rig.apply({"white_balance": {"red_gain": 2.5}}) == {"ColourGains": (2.5, 2.125)}
    balance = rig.settled().white_balance
    assert (balance.mode, balance.red_gain, balance.blue_gain) == ("manual", 2.5, 2.125)


def test_a_colour_gain_of_zero_is_not_sent_as_it_means_automatic() -> None:
    rig = Rig()
    assert rig.apply({"white_balance": {"red_gain": 0.0, "blue_gain": 1.0}}) == {"ColourGains": (0.1, 1.0)}


def test_white_balance_goes_to_a_preset_and_back_to_auto() -> None:
    rig = Rig("imx708_wide_noir")
    assert rig.apply({"white_balance": {"mode": "ir_850nm"}}) == {"ColourGains": (1.0, 1.0)}
    assert rig.settled().white_balance.mode == "ir_850nm"
    assert rig.reading().colour_gains == (1.0, 1.0)
    assert rig.apply({"white_balance": {"mode": "auto"}}) == {"AwbEnable": True, "AwbMode": 0}
    assert rig.reading(SETTLED).colour_gains == (1.75, 2.125)


def test_a_lens_position_is_sent_in_manual_only() -> None:
    rig = Rig()
    assert rig.apply({"focus": {"position": 3.0}}) == {"AfMode": 0, "LensPosition": 3.0}
    assert rig.settled().focus.position == 3.0
    assert rig.apply({"focus": {"mode": "continuous"}}) == {"AfMode": 2}
    assert rig.settled().focus.position is None


def test_a_lens_position_that_is_ignored_at_the_start_is_sent_again() -> None:
    rig = Rig(patch={"focus": {"position": 3.0}}, deaf_lens=2)
    rig.take(4 * SETTLED)
    assert rig.driver.applied().focus.position == 3.0


def test_a_lens_that_never_hears_is_told_of_as_it_stands() -> None:
    rig = Rig(patch={"focus": {"position": 3.0}}, deaf_lens=99)
    rig.take(6 * SETTLED)
    assert rig.driver.applied().focus.position == 1.0
    assert len([sent for sent in rig.world.camera.sent if "LensPosition" in sent]) == 4


@pytest.mark.parametrize(("mode", "number"), [("manual", 0), ("auto", 1), ("continuous", 2)])
def test_a_scan_is_triggered_in_its_mode_and_the_mode_before_restored(mode: str, number: int) -> None:
    rig = Rig(patch={"focus": {"mode": mode}})
    rig.take(SETTLED)
    rig.driver.trigger_focus()
    states = [rig.reading().af_state for _ in range(2 * SETTLED)]
    assert "scanning" in states
    assert rig.world.mistakes == []
    last = [sent["AfMode"] for sent in rig.world.camera.sent if "AfMode" in sent][-1]
    assert last == number
    assert rig.driver.applied().focus.mode == mode
    if mode == "manual":
        assert rig.driver.applied().focus.position == 2.5


def test_frames_that_still_tell_of_the_scan_before_are_not_taken_for_the_new_one_s_end() -> None:
    rig = Rig(patch={"focus": {"mode": "auto"}})
    assert rig.reading(SETTLED).af_state == "focused"
    rig.driver.trigger_focus()
    assert [rig.reading().af_state for _ in range(8)] == ["scanning"] * 8
    assert rig.reading(SETTLED).af_state == "focused"


def test_a_fixed_lens_does_not_scan() -> None:
    with pytest.raises(CameraError, match="imx219 cannot focus"):
        Rig("imx219").driver.trigger_focus()


def test_a_focus_window_is_in_pixels_of_the_sensor_within_the_crop() -> None:
    rig = Rig(patch={"video": {"width": 1280, "height": 720, "field_of_view": "crop"}})
    window = {"x": 0.5, "y": 0.5, "width": 0.25, "height": 0.25}
    sent = rig.apply({"focus": {"window": window}})
    assert sent == {"AfMetering": 1, "AfWindows": [(768 + 1536, 432 + 864, 768, 432)]}
    assert rig.apply({"focus": {"window": None}}) == {"AfMetering": 0}


def test_a_rate_that_no_frame_tells_of_is_measured() -> None:
    rig = Rig()
    rig.world.metadata["FrameDuration"] = None
    assert rig.settled().video.fps == 30.0
    rig.world.metadata["SensorTimestamp"] = 5_000_000_000
    for frame in range(20):
        rig.world.metadata["SensorTimestamp"] = 9_000_000_000_000 + frame * 100_000_000
        rig.take()
    assert rig.driver.applied().video.fps == 10.0


def test_times_rise_also_where_the_sensor_repeats_itself() -> None:
    rig = Rig()
    rig.world.metadata["SensorTimestamp"] = 5_000_000_000
    times = [rig.take().pts_us for _ in range(4)]
    assert all(b > a for a, b in pairwise(times))


def test_binary_blobs_and_nonsense_are_not_read() -> None:
    rig = Rig()
    rig.world.metadata |= {
        "Lux": float("nan"),
        "ColourGains": (1.0,),
        "CnnOutputTensor": b"\x00",
        "AfState": 9,
    }
    reading = rig.reading()
    assert (reading.lux, reading.colour_gains, reading.af_state) == (None, None, None)
    assert reading.exposure_us == 12_012


def test_apply_waits_for_the_frames_that_show_it_while_another_thread_reads() -> None:
    rig = Rig()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            rig.driver.read(0.1)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        while rig.driver._reader is None:
            stop.wait(0.001)
        rig.driver.apply(merge(rig.driver.applied(), {"exposure": {"mode": "manual", "time_us": 10_000}}))
        assert rig.driver.applied().exposure.time_us == 9997
    finally:
        stop.set()
        reader.join()


def test_a_sensor_hdr_that_outlived_a_process_is_switched_off() -> None:
    rig = Rig(sensor_hdr=True)
    assert len(rig.capabilities.modes) == 3
    assert not rig.world.sensor_hdr


def test_the_sensor_s_hdr_is_switched_while_the_camera_is_closed_and_the_rate_told() -> None:
    rig = Rig(patch={"hdr": "sensor", "video": {"width": 1280, "height": 720, "fps": 50}})
    assert rig.world.sensor_hdr
    assert rig.world.mistakes == []
    assert (rig.driver.applied().hdr, rig.driver.applied().video.fps) == ("sensor", 30.0)
    rig.configure({"hdr": "off"})
    assert not rig.world.sensor_hdr
    rig.take()


def test_a_busy_camera_is_told_with_picamera2_s_reasons() -> None:
    with pytest.raises(CameraUnavailableError, match=r"does not open: .*Device or resource busy"):
        Rig(busy=True)


def test_a_picamera2_that_cannot_be_imported_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_name: str) -> None:
        raise ValueError("numpy.dtype size changed")

    monkeypatch.setattr("edge_agent.camera.drivers.picamera2.backend.import_module", broken)
    with pytest.raises(
        CameraUnavailableError, match=r"size changed.*apt install python3-picamera2"
    ) as caught:
        Picamera2Driver(clock=SystemClock()).open()
    assert "--system-site-packages" in caught.value.message


def test_closing_is_bounded_and_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.camera.drivers.picamera2.session._STOP_S", 0.05)
    rig = Rig()
    for_ever = threading.Event()
    monkeypatch.setattr(rig.world.camera, "stop", for_ever.wait)
    rig.driver.close()
    rig.driver.close()
    for_ever.set()


def test_a_camera_that_cannot_be_stopped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.camera.drivers.picamera2.session._STOP_S", 0.05)
    rig = Rig()
    for_ever = threading.Event()
    monkeypatch.setattr(rig.world.camera, "stop", for_ever.wait)
    with pytest.raises(CameraError, match="hangs: it cannot be stopped"):
        rig.configure({"video": {"width": 640, "height": 480}})
    for_ever.set()


def test_nothing_is_done_before_the_camera_is_configured() -> None:
    driver = Picamera2Driver(clock=SystemClock(), load_backend=World((SENSORS["imx708"],)).backend)
    with pytest.raises(CameraError, match="not open"):
        driver.read(0.1)
    driver.open()
    with pytest.raises(CameraError, match="not configured"):
        driver.apply(CameraSettings())
    driver.close()


def _third(width: int, height: int) -> tuple[int, int]:
    return width // 3 & ~1, height // 3 & ~1


def test_the_small_picture_is_the_camera_s_own() -> None:
    rig = Rig(patch={"video": {"width": 1280, "height": 720}})
    assert rig.take().small is None
    rig.driver.want_small(_third)
    rig.configure({"video": {"width": 1280, "height": 720}})
    sample = rig.take()
    assert sample.frame is not None
    assert sample.small is not None
    assert (sample.small.width, sample.small.height) == (426, 240)
    assert np.all(sample.small.to_ndarray()[:240] == np.arange(426) % 200)
    assert rig.world.mistakes == []


def test_a_camera_without_a_second_picture_still_gives_the_first(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(no_lores=True)
    rig.driver.want_small(_third)
    rig.configure({"video": {"width": 1280, "height": 720}})
    sample = rig.take()
    assert sample.frame is not None
    assert sample.small is None
    assert "scaled in software" in caplog.text


def test_a_main_picture_that_is_small_itself_needs_no_second() -> None:
    rig = Rig()
    rig.driver.want_small(lambda width, height: (width, height))
    rig.configure({"video": {"width": 640, "height": 360}})
    assert rig.take().small is None
