"""A camera that feeds real x264 packets, and the publisher as a process of its own."""

from __future__ import annotations

import functools
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av

from edge_agent.camera.drivers.base import EncodedPacket
from edge_agent.processes.channel import ChildChannel, Message, socket_pair
from edge_agent.stream.messages import BEAT, CONFIGURE, STOP, PublisherBeat, PublisherConfig
from edge_agent.stream.packet_server import PacketServer
from edge_agent.stream.packets import StreamFormat
from tests.rtsp_servers import wait_until

FPS = 30


@functools.cache
def encoded(width: int, height: int) -> tuple[EncodedPacket, ...]:
    """Return two seconds of H.264, a keyframe every half second."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 1_000_000), Fraction(FPS)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS // 2)}
    # Noise makes packets that are large for their picture: a stalled server is soon full.
    noise = random.Random(width)
    packets = []
    for number in range(2 * FPS):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(noise.randbytes(plane.buffer_size))
        frame.pts, frame.time_base = number * 1_000_000 // FPS, context.time_base
        packets += [
            EncodedPacket(bytes(packet), packet.pts, packet.is_keyframe) for packet in context.encode(frame)
        ]
    return tuple(packets)


def listen(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, as the agent hands it to the camera child."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


class FakeCamera:
    """Publishes what was encoded, in real time, until it is closed; `paused` stops the frames only."""

    def __init__(self, path: Path, *, width: int = 160, height: int = 120) -> None:
        self._size = (width, height)
        self._path = path
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self.paused = threading.Event()
        self.server = PacketServer(listener=listen(path), request_keyframe=self._wanted.set)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def resize(self, width: int, height: int) -> None:
        """Change the format from the next frame on."""
        self._size = (width, height)

    def die(self) -> None:
        """Be gone as a killed camera child is, without a last word."""
        self._stopping.set()
        self._thread.join(10)
        # Nobody must find the way back while it is dying.
        self._path.unlink()
        for consumer in tuple(self.server._consumers):
            consumer.connection.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: self.server.stats().consumers == 0, what="the end of its connections")
        self.close()

    def close(self) -> None:
        """Be gone, as a camera child is that ends properly."""
        self._stopping.set()
        self._thread.join(10)
        self.server.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        position, size = 0, (0, 0)
        while not self._stopping.wait(1 / FPS):
            if size != self._size:
                size = self._size
                self.server.set_format(StreamFormat("h264", *size, float(FPS)))
            packets = encoded(*size)
            if self._wanted.is_set():
                self._wanted.clear()
                position = 0
            packet = packets[position % len(packets)]
            position += 1
            if not self.paused.is_set():
                self.server.publish(EncodedPacket(packet.data, time.monotonic_ns() // 1000, packet.keyframe))


class PublisherProcess:
    """The child as the agent runs it; every beat that it sent is in `beats`."""

    def __init__(self, *, url: str, packet_socket: Path, **config: Any) -> None:
        agent_end, child_end = socket_pair()
        command = [sys.executable, "-m", "edge_agent.stream.publisher", str(child_end.fileno())]
        self.process = subprocess.Popen(
            command, pass_fds=[child_end.fileno()], stderr=subprocess.PIPE, text=True
        )
        child_end.close()
        self.beats: list[PublisherBeat] = []
        self.log = ""
        self._end = agent_end
        self._channel = ChildChannel(agent_end)
        whole = PublisherConfig(url=url, packet_socket=str(packet_socket), **config)
        self._channel.send(Message(CONFIGURE, whole.body()))
        self._threads = [threading.Thread(target=task, daemon=True) for task in (self._read, self._read_log)]
        for thread in self._threads:
            thread.start()

    def wait_for(
        self, condition: Callable[[PublisherBeat], bool], *, since: int = 0, timeout_s: float = 20.0
    ) -> int:
        """Wait for a beat, from number `since` on, that satisfies; return the number of the one after it."""

        def position() -> int:
            return next((i + 1 for i, beat in enumerate(self.beats[since:], since) if condition(beat)), 0)

        try:
            wait_until(lambda: position() > 0, timeout_s=timeout_s, what="such a beat")
        except AssertionError as error:
            raise AssertionError(f"{error}; the last one was {self.beats[-1:]}") from None
        return position()

    def wait_for_state(self, state: str, *, since: int = 0) -> int:
        """Wait for a beat with this state."""
        return self.wait_for(lambda beat: beat.state == state, since=since)

    def stop(self) -> int:
        """Stop it as the agent does; return its exit code."""
        self._channel.send(Message(STOP))
        return self.process.wait(10)

    def hang_up(self) -> None:
        """End the channel, as an agent does that died."""
        self._end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(10)
        for thread in self._threads:
            thread.join(10)
        self._end.close()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def _read(self) -> None:
        while (message := self._channel.receive()) is not None:
            if message.kind == BEAT:
                self.beats.append(PublisherBeat.from_body(message.body))

    def _read_log(self) -> None:
        for line in self.process.stderr or ():
            self.log += line
