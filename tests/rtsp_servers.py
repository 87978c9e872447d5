"""RTSP servers to publish to: the demo's receiver as a process, and one that misbehaves by a script."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["ReceiverProcess", "Script", "ScriptedRtspServer", "free_port", "wait_until"]


def wait_until(
    condition: Callable[[], bool], *, timeout_s: float = 20.0, what: str | Callable[[], str] = "the condition"
) -> None:
    """Poll until `condition` holds; fail the test where it does not in time, and say what, as it is then."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            name = what if isinstance(what, str) else what()
            raise AssertionError(f"{name} did not come about within {timeout_s:g} s")
        time.sleep(0.02)


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ReceiverProcess:
    """`edge_agent.demo.receiver` as a process that can be killed and started again on the same port."""

    def __init__(self, *, port: int, picture: Path) -> None:
        self.url = f"rtsp://127.0.0.1:{port}/demo"
        self.picture = picture
        self.last: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._reading: threading.Thread | None = None

    def start(self) -> None:
        """Start it; counts begin at nothing."""
        self.last = {}
        module = ["-m", "edge_agent.demo.receiver"]
        options = ["--url", self.url, "--picture", str(self.picture), "--every-s", "0.5"]
        self._process = subprocess.Popen([sys.executable, *module, *options], stdout=subprocess.PIPE)
        self._reading = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reading.start()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is None or self._reading is None:
            return
        self._process.kill()
        self._process.wait(10)
        self._reading.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def wait_for_frames(self, count: int) -> None:
        """Wait until it received so many frames."""
        wait_until(lambda: self.last.get("frames", 0) >= count, what=f"{count} frames at the receiver")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            self.last = json.loads(line)


@dataclass(frozen=True)
class Script:
    """How a ScriptedRtspServer behaves; without anything it takes whatever is published."""

    status: str = "200 OK"  # the answer to ANNOUNCE
    authenticate: str | None = None  # the value of WWW-Authenticate, where there is one
    user: str | None = None  # refuse who does not give this name
    silent: bool = False  # accept, and never answer
    stall: bool = False  # accept the session, then read no more
    mute: bool = False  # accept the session and take its packets, then answer nothing
    udp: bool = False  # have the packets sent to a port of their own
    tls: ssl.SSLContext | None = None
    cut_after_packets: int | None = None  # close the connection after so many RTP packets


class ScriptedRtspServer:
    """A server on one port of the loopback, one thread a connection; what was asked is in `requests`.

    `on_frame` is called at the end of each frame with whether it is a keyframe.
    """

    def __init__(
        self, script: Script, *, port: int = 0, on_frame: Callable[[bool], None] = lambda _: None
    ) -> None:
        self.script = script
        self._on_frame = on_frame
        self.requests: list[str] = []
        self.announced: list[str] = []
        self.packets = 0
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("127.0.0.1", 0))
        self.datagrams.settimeout(10)
        self._open: list[socket.socket] = []
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        # Soon full where nobody reads; set before the first, as a sender dawdles at a window that shrinks.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        scheme = "rtsps" if script.tls else "rtsp"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/cam"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def methods(self, method: str) -> int:
        """Return how often `method` was asked."""
        return sum(request.startswith(method + " ") for request in tuple(self.requests))

    def cut(self) -> None:
        """End every connection, and go on listening."""
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """End every connection as a machine does that knows nothing of it any more."""
        for connection in tuple(self._open):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Its thread reads: only with that at an end the kernel closes it.
            connection.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """End every connection."""
        self._stopping.set()
        # Closing alone does not wake up a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for connection in tuple(self._open):
            connection.close()
        self.datagrams.close()
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A connection that breaks or is closed under this thread ends it, which is all there is to do.
        with contextlib.suppress(OSError, ValueError), connection:
            tls = self.script.tls
            if tls is None:
                self._talk(connection)
            else:
                with tls.wrap_socket(connection, server_side=True) as encrypted:
                    self._talk(encrypted)
        self._open.remove(connection)

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            for request in self._requests(reader):
                if self.script.silent:
                    continue
                if self.script.mute and self.packets:
                    continue
                connection.sendall(self._answer(request))
                if request.startswith("RECORD "):
                    while self.script.stall and not self._stopping.wait(0.05):
                        pass

    def _requests(self, reader: Any) -> Iterator[str]:
        """Yield each request's head; count the RTP packets between them."""
        keyframe = False
        while (first := reader.read(1)) != b"":
            if first == b"$":
                channel, length = reader.read(1)[0], int.from_bytes(reader.read(2), "big")
                payload = reader.read(length)
                if channel == 0 and len(payload) > 13:
                    self.packets += 1
                    kind = payload[13 if payload[12] & 0x1F == 28 else 12] & 0x1F
                    keyframe = keyframe or kind == 5
                    if payload[1] & 0x80:
                        self._on_frame(keyframe)
                        keyframe = False
                if (
                    self.script.cut_after_packets is not None
                    and self.packets >= self.script.cut_after_packets
                ):
                    self.packets = 0
                    return
                continue
            head = first
            while not head.endswith(b"\r\n\r\n"):
                line = reader.readline()
                if not line:
                    return
                head += line
            text = head.decode()
            length_header = re.search(r"content-length: *(\d+)", text, re.IGNORECASE)
            if length_header:
                self.announced.append(reader.read(int(length_header[1])).decode())
            self.requests.append(text)
            yield text

    def _answer(self, request: str) -> bytes:
        sequence = re.search(r"cseq: *(\d+)", request, re.IGNORECASE)
        lines = [f"CSeq: {sequence[1] if sequence else 0}"]
        status = "200 OK"
        if request.startswith("ANNOUNCE "):
            status = self.script.status
            user = self.script.user
            if user is not None and f'username="{user}"' not in request:
                status = "401 Unauthorized"
            if self.script.authenticate is not None:
                lines.append(f"WWW-Authenticate: {self.script.authenticate}")
        elif request.startswith("SETUP "):
            port = self.datagrams.getsockname()[1]
            udp, tcp = f"RTP/AVP;unicast;server_port={port}-{port}", "RTP/AVP/TCP;unicast;interleaved=0-1"
            lines += ["Session: 1", f"Transport: {udp if self.script.udp else tcp};mode=record"]
        elif request.startswith("RECORD "):
            lines.append("Session: 1")
        return "\r\n".join([f"RTSP/1.0 {status}", *lines, "", ""]).encode()
