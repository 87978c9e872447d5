"""Each kind of target, published to in earnest, and what is said where it is not to be had."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.stream.support import unsupported
from tests.pki import Pki
from tests.rtsp_servers import Script, ScriptedRtspServer, free_port, wait_until
from tests.stream.fakes import PublisherProcess

pytestmark = pytest.mark.usefixtures("camera")

DIGEST = 'Digest realm="cam", nonce="abc", qop="auth"'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("authority")
    made = Pki(directory)
    made.authority("ca")
    made.certificate("server", subject="cam")
    made.certificate("elsewhere", subject="cam", address="DNS:elsewhere.example")
    return directory


def served(authority: Path, name: str) -> Script:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / f"{name}.pem", authority / f"{name}.key")
    return Script(tls=context)


@contextmanager
def ffmpeg_listening(url: str, *options: str) -> Iterator[list[str]]:
    """Take one publisher by ffmpeg; yield a list that grows by a line for each frame."""
    executable = shutil.which("ffmpeg")
    if executable is None:
        pytest.skip("needs ffmpeg: apt-get install ffmpeg")
    command = [
        executable,
        "-loglevel",
        "error",
        "-analyzeduration",
        "100000",
        *options,
        "-i",
        url,
        "-c",
        "copy",
        "-f",
        "framecrc",
    ]
    process = subprocess.Popen(
        [*command, "-flush_packets", "1", "-"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    frames: list[str] = []
    lines = process.stdout or ()
    thread = threading.Thread(
        target=lambda: frames.extend(line for line in lines if not line.startswith("#")), daemon=True
    )
    thread.start()
    try:
        yield frames
    finally:
        process.kill()
        process.wait(10)
        thread.join(10)
        if process.stdout is not None:
            process.stdout.close()


def assert_publishes(publisher: PublisherProcess, frames: list[str]) -> None:
    publisher.wait_for_state("publishing")
    wait_until(lambda: len(frames) >= 30, what="frames at ffmpeg")
    publisher.wait_for(lambda beat: beat.packets >= 30 and beat.sessions == 1 and beat.keyframes >= 2)
    # The time stamps are those of 30 frames a second, as they were given.
    stamps = [int(line.split(",")[2]) for line in frames[1:30]]
    assert stamps == sorted(set(stamps))
    assert publisher.stop() == 0


def test_rtmp(packet_socket: Path) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/cam"
    with (
        ffmpeg_listening(url, "-listen", "1", "-f", "flv") as frames,
        PublisherProcess(url=url, packet_socket=packet_socket) as publisher,
    ):
        assert_publishes(publisher, frames)
        assert "live/cam" not in publisher.log


def test_srt_where_libav_has_it_and_a_clear_word_where_it_has_not(packet_socket: Path) -> None:
    url = f"srt://127.0.0.1:{free_port()}"
    with PublisherProcess(url=f"{url}?streamid=publish:cam:u:hush", packet_socket=packet_socket) as publisher:
        missing = unsupported("srt")
        if missing is None:
            with ffmpeg_listening(f"{url}?mode=listener", "-f", "mpegts") as frames:
                assert_publishes(publisher, frames)
        else:
            assert_is_unsupported(publisher, missing)
        assert "hush" not in publisher.log


def assert_is_unsupported(publisher: PublisherProcess, missing: str) -> None:
    seen = publisher.wait_for_state("failed")
    beat = publisher.beats[seen - 1]
    assert beat.code == "stream_unsupported"
    assert missing in str(beat.reason)
    assert "PyAV " in missing
    publisher.wait_for(lambda beat: beat.state == "failed" and beat.since_age_s > 2)
    assert publisher.beats[-1].attempts == 1
    assert publisher.stop() == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [("401 Unauthorized", "stream_refused_credentials"), ("404 Not Found", "stream_not_found")],
)
def test_whip_says_why_it_is_refused(answer: str, code: str, packet_socket: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"whip://127.0.0.1:{server.getsockname()[1]}/cam/whip"
        missing = unsupported("whip")
        with PublisherProcess(url=url, packet_socket=packet_socket) as publisher:
            if missing is not None:
                assert_is_unsupported(publisher, missing)
                return
            server.settimeout(20)
            connection, _ = server.accept()
            with connection:
                head = connection.recv(4096)
                assert head.startswith(b"POST /cam/whip HTTP/1.1")
                reply = f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                connection.sendall(reply.encode())
                seen = publisher.wait_for_state("failed")
            assert publisher.beats[seen - 1].code == code
            assert publisher.beats[seen - 1].packets == 0


def test_rtsps_to_a_server_that_proves_who_it_is(authority: Path, packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(served(authority, "server")) as server,
        PublisherProcess(
            url=server.url, packet_socket=packet_socket, tls_ca=str(authority / "ca.pem")
        ) as publisher,
    ):
        publisher.wait_for_state("publishing")
        wait_until(lambda: server.packets > 100, what="packets at the server")
        assert publisher.stop() == 0
        wait_until(lambda: server.methods("TEARDOWN") == 1, what="a proper end of the session")


@pytest.mark.parametrize(
    ("name", "with_authority", "why"),
    [
        ("server", False, "the server's certificate is not trusted: "),
        ("elsewhere", True, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_rtsps_to_one_that_does_not(
    name: str, with_authority: bool, why: str, authority: Path, packet_socket: Path
) -> None:
    trusted = str(authority / "ca.pem") if with_authority else None
    with (
        ScriptedRtspServer(served(authority, name)) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket, tls_ca=trusted) as publisher,
    ):
        seen = publisher.wait_for_state("failed")
        assert publisher.beats[seen - 1].code == "stream_tls_failed"
        assert why in str(publisher.beats[seen - 1].reason)
        assert server.requests == []
    with (
        ScriptedRtspServer(served(authority, name)) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket, tls_verify=False) as publisher,
    ):
        publisher.wait_for_state("publishing")


def test_an_authority_that_cannot_be_read_is_told(packet_socket: Path, tmp_path: Path) -> None:
    with (
        ScriptedRtspServer(Script()) as server,
        PublisherProcess(
            url=server.url.replace("rtsp:", "rtsps:"),
            packet_socket=packet_socket,
            tls_ca=str(tmp_path / "none.pem"),
        ) as publisher,
    ):
        seen = publisher.wait_for_state("failed")
        assert publisher.beats[seen - 1].code == "stream_tls_failed"
        assert "none.pem' of stream.tls.ca cannot be used (No such file" in str(
            publisher.beats[seen - 1].reason
        )


def test_credentials_are_given_where_they_are_asked_for(packet_socket: Path) -> None:
    with ScriptedRtspServer(Script(authenticate=DIGEST, user="porch")) as server:
        url = server.url.replace("rtsp://", "rtsp://porch:hush%20hush@")
        with PublisherProcess(url=url, packet_socket=packet_socket) as publisher:
            publisher.wait_for_state("publishing")
            wait_until(lambda: server.packets > 0, what="packets at the server")
        assert server.methods("ANNOUNCE") == 2
        assert not any("hush" in request or "porch:" in request for request in server.requests)
        assert all('response="' in request for request in server.requests if request.startswith("RECORD"))


def test_rtsp_over_udp(packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script(udp=True)) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket, transport="udp") as publisher,
    ):
        kinds = {server.datagrams.recv(65536)[1] & 0x7F for _ in range(200)}
        assert kinds == {96, 200 & 0x7F}  # pictures, and the sender's reports
        publisher.wait_for_state("publishing")
        assert server.packets == 0


def test_a_server_without_udp_is_named_and_the_way_out(packet_socket: Path) -> None:
    with (
        ScriptedRtspServer(Script()) as server,
        PublisherProcess(url=server.url, packet_socket=packet_socket, transport="udp") as publisher,
    ):
        seen = publisher.wait_for_state("failed")
        assert "the server takes no UDP; set stream.transport to tcp" in str(publisher.beats[seen - 1].reason)
