"""The publisher as a process, between a camera's packets and RTSP servers that live, die and misbehave."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.rtsp_servers import ReceiverProcess, Script, ScriptedRtspServer, wait_until
from tests.stream.fakes import FakeCamera, PublisherProcess

pytestmark = pytest.mark.usefixtures("camera")


def test_frames_arrive_and_are_counted(receiver: ReceiverProcess, packet_socket: Path) -> None:
    with PublisherProcess(url=receiver.url, packet_socket=packet_socket) as publisher:
        publisher.wait_for_state("connecting")
        publisher.wait_for_state("publishing")
        receiver.wait_for_frames(60)
        wait_until(lambda: receiver.last["picture"] is not None, what="a picture")
        publisher.wait_for(lambda beat: beat.packets >= 60 and beat.keyframes >= 3)
        last = publisher.beats[-1]
        assert last.reason is None
        assert last.code is None
        assert last.sessions == 1
        assert last.attempts == 0
        assert last.last_packet_age_s is not None
        assert last.fps > 0
        assert last.bitrate_bps > 0
        assert last.bytes > 0
        assert receiver.last["keyframes"] >= 1
        assert (receiver.last["width"], receiver.last["height"]) == (160, 120)
        with Image.open(receiver.picture) as picture:
            assert picture.size == (160, 120)


def test_it_is_light(receiver: ReceiverProcess, packet_socket: Path) -> None:
    with PublisherProcess(url=receiver.url, packet_socket=packet_socket) as publisher:
        publisher.wait_for_state("publishing")
        mapped = Path(f"/proc/{publisher.process.pid}/maps").read_text()
        assert "pydantic" not in mapped
        assert "numpy" not in mapped
        # libav alone is three times the rest.
        assert "libav" not in mapped


def test_comes_back_after_the_server_was_killed(receiver: ReceiverProcess, packet_socket: Path) -> None:
    with PublisherProcess(url=receiver.url, packet_socket=packet_socket) as publisher:
        seen = publisher.wait_for_state("publishing")
        receiver.wait_for_frames(10)
        receiver.kill()
        seen = publisher.wait_for_state("failed", since=seen)
        assert publisher.beats[seen - 1].code == "stream_unreachable"
        assert publisher.beats[seen - 1].reason
        seen = publisher.wait_for(lambda beat: beat.attempts >= 2, since=seen)
        receiver.start()
        seen = publisher.wait_for_state("publishing", since=seen)
        assert publisher.beats[seen - 1].sessions == 2
        receiver.wait_for_frames(30)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(status="401 Unauthorized"), "stream_refused_credentials"),
        (Script(status="401 Unauthorized", authenticate='Basic realm="x"'), "stream_refused_credentials"),
        (Script(status="403 Forbidden"), "stream_refused_credentials"),
        (Script(status="404 Not Found"), "stream_not_found"),
        (Script(status="400 Bad Request"), "stream_rejected"),
        (Script(status="453 Not Enough Bandwidth"), "stream_rejected"),
        (Script(status="500 Internal Server Error"), "stream_rejected"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.status[:3]} {bool(value.authenticate)}",
)
def test_says_why_the_server_refuses(script: Script, code: str, packet_socket: Path) -> None:
    with ScriptedRtspServer(script) as server:
        url = server.url.replace("rtsp://", "rtsp://porch:hush-hush@")
        with PublisherProcess(url=url, packet_socket=packet_socket) as publisher:
            seen = publisher.wait_for_state("failed")
            beat = publisher.beats[seen - 1]
            assert beat.code == code
            assert beat.reason is not None
            assert beat.reason.startswith("rtsp://porch:***@127.0.0.1")
            assert beat.sessions == 0
            assert publisher.stop() == 0
        assert "hush" not in publisher.log
        assert "porch:***@" in publisher.log
        assert not any("hush" in str(beat) for beat in publisher.beats)


def test_refused_credentials_are_not_tried_again_soon(camera: FakeCamera, packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script(status="401 Unauthorized")) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket) as publisher,
    ):
        publisher.wait_for_state("failed")
        # A second and more of beats: a network error would have been tried again by then.
        publisher.wait_for(lambda beat: beat.state == "failed" and beat.since_age_s > 2.5)
        assert server.methods("ANNOUNCE") == 1
        assert publisher.beats[-1].attempts == 1
        # Nothing piles up meanwhile that the next session would have to begin with.
        assert camera.server.stats().consumers == 0


def test_a_server_that_never_answers_is_a_timeout(packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script(silent=True)) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket, connect_timeout_s=0.5) as publisher,
    ):
        seen = publisher.wait_for_state("failed")
        assert publisher.beats[seen - 1].code == "stream_timeout"
        seen = publisher.wait_for(lambda beat: beat.attempts >= 3, since=seen)
        # It lives, beats and obeys in between.
        assert publisher.stop() == 0


def test_an_unknown_host_is_unreachable(packet_socket: Path) -> None:
    with PublisherProcess(url="rtsp://nowhere.invalid/cam", packet_socket=packet_socket) as publisher:
        seen = publisher.wait_for_state("failed")
        assert publisher.beats[seen - 1].code == "stream_unreachable"
        assert "nowhere.invalid" in str(publisher.beats[seen - 1].reason)


def test_a_server_that_cuts_is_published_to_again(packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script(cut_after_packets=20)) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket) as publisher,
    ):
        seen = publisher.wait_for_state("publishing")
        seen = publisher.wait_for_state("failed", since=seen)
        publisher.wait_for(lambda beat: beat.sessions >= 2, since=seen)
        assert server.methods("RECORD") >= 2


def test_a_new_format_begins_a_new_session(
    camera: FakeCamera, receiver: ReceiverProcess, packet_socket: Path
) -> None:
    with PublisherProcess(url=receiver.url, packet_socket=packet_socket) as publisher:
        receiver.wait_for_frames(20)
        camera.resize(320, 240)
        publisher.wait_for(lambda beat: beat.sessions == 2 and beat.state == "publishing")
        wait_until(lambda: receiver.last["width"] == 320, what="the new size at the receiver")
        assert receiver.last["height"] == 240


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
def test_the_session_outlives_a_short_absence_of_the_camera(
    camera: FakeCamera, receiver: ReceiverProcess, packet_socket: Path, killed: bool
) -> None:
    with PublisherProcess(url=receiver.url, packet_socket=packet_socket) as publisher:
        # The camera's word of how far it is comes once a second.
        publisher.wait_for(lambda beat: beat.packets > 20)
        receiver.wait_for_frames(20)
        if killed:
            camera.die()
        else:
            camera.close()
        count = publisher.beats[-1].packets
        back = FakeCamera(packet_socket)
        try:
            publisher.wait_for(lambda beat: beat.packets > count + 60)
            receiver.wait_for_frames(60)
        finally:
            back.close()
        assert publisher.beats[-1].sessions == 1
        assert receiver.last["sessions"] == 1


def test_another_camera_in_its_place_begins_a_new_session(
    camera: FakeCamera, receiver: ReceiverProcess, packet_socket: Path
) -> None:
    with PublisherProcess(url=receiver.url, packet_socket=packet_socket) as publisher:
        receiver.wait_for_frames(20)
        camera.close()
        other = FakeCamera(packet_socket, width=320, height=240)
        try:
            publisher.wait_for(lambda beat: beat.sessions == 2 and beat.state == "publishing")
            wait_until(lambda: receiver.last["width"] == 320, what="the other camera's size")
        finally:
            other.close()


def test_a_camera_that_is_gone_is_waited_for(camera: FakeCamera, packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script()) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket) as publisher,
    ):
        seen = publisher.wait_for_state("publishing")
        camera.close()
        seen = publisher.wait_for_state("waiting", since=seen)
        assert "no packets from the camera for " in str(publisher.beats[seen - 1].reason)
        wait_until(lambda: server.methods("TEARDOWN") == 1, what="a proper end of the session")
        back = FakeCamera(packet_socket)
        try:
            publisher.wait_for_state("publishing", since=seen)
        finally:
            back.close()


def test_silence_is_not_called_publishing(camera: FakeCamera, packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script()) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket) as publisher,
    ):
        seen = publisher.wait_for_state("publishing")
        camera.paused.set()
        seen = publisher.wait_for_state("waiting", since=seen)
        assert publisher.beats[seen - 1].reason == "no packets from the camera for 5 s"
        seen = publisher.wait_for(lambda beat: beat.fps == 0, since=seen)
        camera.paused.clear()
        publisher.wait_for_state("publishing", since=seen)


def test_a_server_that_reads_no_more_is_left_and_tried_again(camera: FakeCamera, packet_socket: Path) -> None:
    camera.resize(640, 480)
    with (
        ScriptedRtspServer(Script(stall=True)) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket) as publisher,
    ):
        publisher.wait_for(lambda beat: beat.phase == "write" and beat.phase_age_s > 2, timeout_s=50)
        seen = publisher.wait_for(lambda beat: beat.state == "failed")
        assert publisher.beats[seen - 1].code == "stream_timeout"
        assert "the server has stopped taking packets" in str(publisher.beats[seen - 1].reason)
        server.script = Script()
        publisher.wait_for(lambda beat: beat.state == "publishing" and beat.packets > 60, since=seen)
        assert publisher.stop() == 0


def test_stop_tears_the_session_down(packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script()) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket) as publisher,
    ):
        publisher.wait_for_state("publishing")
        assert publisher.stop() == 0
        publisher.wait_for_state("stopped")
        wait_until(lambda: server.methods("TEARDOWN") == 1, what="a proper end of the session")


def test_ends_with_the_agent(packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script()) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket) as publisher,
    ):
        publisher.wait_for_state("publishing")
        publisher.hang_up()
        publisher.process.wait(10)


def test_announces_the_cameras_own_parameter_sets(packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script()) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket) as publisher,
    ):
        publisher.wait_for_state("publishing")
        wait_until(lambda: server.packets > 0, what="a packet at the server")
        # 42c0: x264's baseline, as the fake camera encodes it; an encoder opened for the stream has High.
        assert "profile-level-id=42C0" in server.announced[0]
        assert "sprop-parameter-sets=" in server.announced[0]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/cam", "rtsp:///cam", "rtsp://u:hush-hush@127.0.0.1:99999/x"]
)
def test_what_cannot_be_published_to_ends_it_at_once(url: str, packet_socket: Path) -> None:
    with PublisherProcess(url=url, packet_socket=packet_socket) as publisher:
        assert publisher.process.wait(10) == 2
        wait_until(lambda: "cannot be published to" in publisher.log, what="the reason in the log")
        assert "hush" not in publisher.log
