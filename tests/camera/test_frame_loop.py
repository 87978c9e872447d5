"""The camera's loop at work: what is applied is in the stream, and the camera is not stopped for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from edge_agent.camera.drivers.file.driver import FileDriver
from edge_agent.camera.drivers.file.options import FileOptions
from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.camera.messages import AdaptiveOptions
from edge_agent.camera.parameter_sets import declared
from edge_agent.camera.settings import CameraSettings
from edge_agent.clock import SystemClock
from edge_agent.errors import CameraError, RefusedError
from edge_agent.stream.loan import GoOn, send_said
from tests.camera.drivers.clips import make_clip
from tests.camera.loops import Loop
from tests.rtsp_servers import wait_until


@pytest.fixture
def looping(tmp_path: Path) -> Iterator[Loop]:
    driver = SimulatedDriver(clock=SystemClock(), options=SimulatedOptions(lux=500))
    with Loop(driver, tmp_path) as made:
        yield made


def _configured(monkeypatch: pytest.MonkeyPatch, loop: Loop) -> list[CameraSettings]:
    """Every configuration of the driver from now on."""
    seen: list[CameraSettings] = []
    monkeypatch.setattr(loop.driver, "configure", seen.append)
    return seen


def test_the_encoder_is_changed_while_the_camera_runs_on(
    looping: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = looping.consumer()
    assert declared(bytes(consumer.take().data)) == declared(bytes(consumer.take(keyframe=True).data))
    configured = _configured(monkeypatch, looping)
    held = looping.apply({"video": {"h264_profile": "high", "h264_level": "4.1", "quality": 30}}).video
    assert (held.h264_profile, held.h264_level, held.quality) == ("high", "4.1", 30)

    def told() -> tuple[str | None, str | None]:
        encoded = looping.loop.beat().encoded
        return (encoded.profile, encoded.level) if encoded else (None, None)

    wait_until(lambda: told() == ("high", "4.1"), what="the new profile in the beat")
    said = declared(bytes(consumer.take(keyframe=True).data))
    while said is not None and said.profile != "high":
        said = declared(bytes(consumer.take(keyframe=True).data))
    assert said is not None
    assert said.level == "4.1"
    # A new encoder is no new picture: the publisher's session need not end.
    assert len(consumer.formats) == 1
    assert configured == []
    times = [packet.pts_us for packet in consumer.packets]
    assert times == sorted(set(times))
    consumer.close()


def test_the_beat_tells_what_was_measured_of_keyframes(looping: Loop) -> None:
    looping.apply({"video": {"keyframe_interval_s": 0.2}})

    def interval_s() -> float | None:
        encoded = looping.loop.beat().encoded
        return encoded.keyframe_interval_s if encoded else None

    wait_until(lambda: interval_s() == pytest.approx(0.2, abs=0.05), what="keyframes every 0.2 s")


def test_an_encoder_that_cannot_be_had_changes_nothing(
    looping: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = looping.consumer()
    consumer.take()

    def refuse(*_arguments: object) -> None:
        raise CameraError("no memory")

    before = looping.loop.applied()
    with monkeypatch.context() as patch:
        patch.setattr("edge_agent.camera.encoder.H264Encoder._open", refuse)
        with pytest.raises(CameraError, match="no memory"):
            looping.apply({"video": {"h264_profile": "high"}, "image": {"contrast": 2.0}})
    assert looping.loop.applied() == before
    consumer.take(3)
    consumer.close()


def test_a_camera_that_refuses_leaves_the_encoder_as_it_was(
    looping: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = looping.consumer()
    consumer.take()

    def refuse(_settings: CameraSettings) -> None:
        raise CameraError("no")

    monkeypatch.setattr(looping.driver, "apply", refuse)
    with pytest.raises(CameraError):
        looping.apply({"video": {"h264_profile": "main"}})
    assert looping.loop.applied().video.h264_profile == "baseline"
    looping.loop.request_keyframe()
    said = declared(bytes(consumer.take(keyframe=True).data))
    assert said is not None
    assert said.profile == "constrained_baseline"
    consumer.close()


def test_a_consumer_that_is_too_slow_lowers_the_bit_rate_and_the_setting_stays(tmp_path: Path) -> None:
    driver = SimulatedDriver(clock=SystemClock(), options=SimulatedOptions(lux=500))
    wanted = {
        "video": {"width": 640, "height": 360, "fps": 60.0, "bitrate_bps": 20_000_000},
        "exposure": {"time_us": 1000, "gain": 16.0},
    }
    with Loop(driver, tmp_path, wanted, adaptive=AdaptiveOptions(enabled=True), max_packets=20) as looping:
        with socket.socket(socket.AF_UNIX) as slow:
            slow.connect(str(looping.path))
            send_said(slow, GoOn())

            def lowered() -> bool:
                # Half a megabyte a second gets through: a fifth of what is asked for.
                slow.recv(10_000)
                return looping.loop.beat().adaptive.steps_down >= 2

            wait_until(lowered, what="two steps down")
        adaptive = looping.loop.beat().adaptive
        assert adaptive.active
        assert adaptive.target_bps == looping.loop.applied().video.bitrate_bps == 20_000_000
        assert adaptive.current_bps is not None
        assert adaptive.current_bps <= 20_000_000 * 0.75**2
        assert adaptive.reason is not None
        # What is asked for meanwhile is asked for; what gets through is what it was.
        looping.apply({"video": {"bitrate_bps": 18_000_000}})
        later = looping.loop.beat().adaptive
        assert (later.target_bps, later.current_bps) == (18_000_000, adaptive.current_bps)


def test_the_bit_rate_of_what_passes_through_is_nobodys_to_adapt(tmp_path: Path) -> None:
    driver = FileDriver(options=FileOptions(path=make_clip(tmp_path / "a.mp4")), clock=SystemClock())
    with Loop(driver, tmp_path, {}, adaptive=AdaptiveOptions(enabled=True)) as looping:
        consumer = looping.consumer()
        consumer.take(2)
        assert not looping.loop.beat().adaptive.active
        consumer.close()


def test_what_passes_through_has_no_encoder_to_set_and_tells_the_file_s_own(tmp_path: Path) -> None:
    driver = FileDriver(options=FileOptions(path=make_clip(tmp_path / "a.mp4")), clock=SystemClock())
    with Loop(driver, tmp_path, {"video": {"keyframe_interval_s": 3.0}}) as looping:
        assert "passed through" in looping.left_out["video.keyframe_interval_s"]
        assert not looping.capabilities.live_encode
        with pytest.raises(RefusedError, match="pass_through: false"):
            looping.apply({"video": {"h264_profile": "high"}})
        consumer = looping.consumer()
        consumer.take(keyframe=True)
        encoded = looping.loop.beat().encoded
        assert encoded is not None
        assert encoded.encoder == "pass-through"
        assert encoded.profile is not None
        consumer.close()


def test_a_file_that_is_not_passed_through_is_encoded_as_it_is_set(tmp_path: Path) -> None:
    options = FileOptions(path=make_clip(tmp_path / "a.mp4"), pass_through=False)
    with Loop(FileDriver(options=options, clock=SystemClock()), tmp_path, {}) as looping:
        looping.apply({"video": {"h264_profile": "main"}})
        consumer = looping.consumer()
        said = declared(bytes(consumer.take(keyframe=True).data))
        assert said is not None
        assert said.profile == "main"
        consumer.close()


def _brightest(loop: Loop) -> int:
    """The luma of the brightest pixel that the camera gave, in the corner where the overlay is."""

    def brightest() -> int:
        frame: Any = loop.loop.last_sample().frame
        return int(frame.to_ndarray()[frame.height * 3 // 4 : frame.height, : frame.width // 3].max())

    return loop.loop.submit(brightest).result(10)


def test_the_overlay_is_in_the_stream_and_no_longer_on_the_frame(looping: Loop) -> None:
    looping.apply({"exposure": {"time_us": 26, "gain": 1.2}})
    wait_until(lambda: _brightest(looping) < 60, what="a dark picture")
    looping.apply({"overlay": {"text": "XXXX", "size": 0.2}})
    consumer = looping.consumer()
    decoder: Any = av.CodecContext.create("h264", "r")
    consumer.take(keyframe=True)
    decoder.thread_type = "SLICE"
    (frame,) = decoder.decode(av.Packet(bytes(consumer.take(keyframe=True).data)))
    corner = frame.to_ndarray()[frame.height * 3 // 4 : frame.height, : frame.width // 3]
    assert corner.max() > 200
    assert _brightest(looping) < 60
    consumer.close()


def test_an_overlay_over_what_passes_through_is_refused_with_the_reason(tmp_path: Path) -> None:
    driver = FileDriver(options=FileOptions(path=make_clip(tmp_path / "a.mp4")), clock=SystemClock())
    with Loop(driver, tmp_path, {}) as looping, pytest.raises(RefusedError, match="passed through"):
        looping.apply({"overlay": {"text": "x"}})
