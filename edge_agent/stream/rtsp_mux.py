"""One RTSP session, written here and not by libav.

libav's holds the interpreter during the handshake, has no limit for a write, cannot check a certificate in
Debian 13's version, and asks the kernel twice for every RTP packet, of which a frame has dozens.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from edge_agent.errors import ProcessError
from edge_agent.stream.connection import connect, lost
from edge_agent.stream.loan import Insert, Take
from edge_agent.stream.messages import TlsTrust
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.packet_source import parameter_sets
from edge_agent.stream.packets import PacketMessage, Progress
from edge_agent.stream.rtp import PAYLOAD_TYPE, RtpSender
from edge_agent.stream.rtp_state import RtpState
from edge_agent.stream.rtp_stream import RtpStream
from edge_agent.stream.rtsp_auth import Credentials
from edge_agent.stream.rtsp_client import Answer, RtspClient
from edge_agent.stream.timeline import TICKS_PER_SECOND
from edge_agent.stream.url import StreamUrl

__all__ = ["RtspMux"]

_WRITE_S: Final = 5.0
_LISTEN_EVERY_S: Final = 1.0
_ASK_EVERY_S: Final = 2.0
# A server that answered before and does not for so long has stopped, however much the kernel still takes.
_SILENT_S: Final = 5.0
_FAREWELL_S: Final = 0.5
_TRACK: Final = "streamid=0"
_PORT_TRIES: Final = 20
_SEQUENCES: Final = 1 << 16
# More packets than a camera sends between two words about it.
_LEFT_OUT: Final = 1 << 13


class RtspMux:
    """One session with `target`; constructing one connects to nothing.

    `first` is the keyframe that the stream begins with: its parameter sets are announced to the server.
    """

    def __init__(
        self,
        *,
        target: StreamUrl,
        transport: Literal["tcp", "udp"],
        trust: TlsTrust | None,
        connect_timeout_s: float,
        first: PacketMessage,
        chance: random.Random,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._target = target
        self._udp = transport == "udp"
        self._trust = trust
        self._connect_timeout_s = connect_timeout_s
        self._first = first
        self._chance = chance
        self._monotonic = monotonic
        self._wall = wall
        self._url, self._credentials = _request_url(target)
        self._connection: socket.socket | None = None
        self._client: RtspClient | None = None
        self._rtp = RtpStream.begun(chance=chance, wall=wall)
        self._say: Callable[[Insert], None] | None = None
        self._datagrams: tuple[socket.socket, socket.socket] | None = None
        self._send: Callable[[list[bytes | memoryview], int], None] = self._send_datagrams
        self._next_listening_s = 0.0
        self._next_ask_s = 0.0
        self._broken = False
        self._waiting_since_s: float | None = None

    @property
    def established(self) -> bool:
        """Whether the handshake is done."""
        return self._client is not None

    @property
    def answers(self) -> int:
        """How often the server answered within the session."""
        return 0 if self._client is None else self._client.answers

    def connect(self) -> None:
        """Connect, announce the stream and begin. Raises StreamTargetError."""
        self._connection = connect(self._target, trust=self._trust, timeout_s=self._connect_timeout_s)
        client = RtspClient(
            connection=self._connection,
            target=self._target,
            credentials=self._credentials,
            timeout_s=self._connect_timeout_s,
            new_nonce=lambda: os.urandom(8).hex(),
            monotonic=self._monotonic,
        )
        client.request("OPTIONS", self._url)
        description = _description(bytes(self._first.data), self._target.host)
        client.request("ANNOUNCE", self._url, [("Content-Type", "application/sdp")], description)
        self._set_up(client)
        client.request("RECORD", self._url, [("Range", "npt=0.000-")])
        client.be_patient(_WRITE_S)
        if not self._udp:
            self._send = client.send_parts
        self._client = client
        self._next_ask_s = self._monotonic() + _ASK_EVERY_S

    def write(self, packet: PacketMessage, *, now_s: float) -> None:
        """Write one access unit; waits at most five seconds for the server. Raises StreamTargetError."""
        client = self._client
        if client is None:
            raise StreamTargetError(f"{self._target}: the session is not open", code="stream_unreachable")
        try:
            if now_s >= self._next_listening_s:
                self._listen(client, now_s)
            self._send(*self._rtp.packets(packet, now_s))
        except StreamTargetError:
            self._broken = True
            raise

    def fileno(self) -> int:
        """Return the connection's descriptor, readable when the server has said something, -1 for none."""
        return -1 if self._connection is None else self._connection.fileno()

    @property
    def lendable(self) -> RtspMux | None:
        """Itself; None with UDP and TLS, which take one who does all of the writing."""
        return self if self._client is not None and self._client.gathers and not self._udp else None

    def terms(self) -> Take:
        """Return the connection and where its stream is."""
        return Take(self._rtp.state(), self.fileno())

    def lend(self, say: Callable[[Insert], None]) -> None:
        """Write nothing more by oneself: what is to be said to the server goes by way of `say`."""
        self._say = say
        if self._client is not None:
            self._client.divert(lambda data: say(Insert(data)))

    def attend(self, now_s: float, *, heard: bool) -> None:
        """Hear the server, where it is said to have spoken or it is time to. Raises StreamTargetError."""
        client = self._client
        if client is None or not (heard or now_s >= self._next_listening_s):
            return
        try:
            self._listen(client, now_s)
        except StreamTargetError:
            self._broken = True
            raise

    def end_loan(self) -> None:
        """Write by oneself again: the camera has let go at a packet's end."""
        self._say = None
        # What it was to ask the server it may have taken along.
        self._waiting_since_s = None
        if self._client is not None:
            self._client.divert(None)

    def take_back(self, progress: Progress | None) -> bool:
        """Go on where the camera ended, by its last word; False where that cannot be known."""
        self.end_loan()
        if progress is None or not progress.whole:
            self._broken = True
            return False
        state = RtpState.from_body(progress.rtp)
        if not progress.final:
            # It has written some more since. Where it died in the middle of a packet, which only happens at a
            # server that is slow, that one hangs up on what follows, and a new session begins.
            state = replace(state, sequence=(state.sequence + _LEFT_OUT) % _SEQUENCES)
        self._rtp = RtpStream.resumed(state, wall=self._wall)
        return True

    def broke(self, number: int) -> StreamTargetError:
        """Return what to raise where the one whom it was lent to met the system's error `number`."""
        self._broken = True
        return lost(self._target, OSError(number, os.strerror(number)))

    def close(self) -> None:
        """Tear the session down. Never raises; may be called twice."""
        client, self._client = self._client, None
        connection, self._connection = self._connection, None
        datagrams, self._datagrams = self._datagrams, None
        say, self._say = self._say, None
        with contextlib.suppress(StreamTargetError, OSError):
            if client is not None and not self._broken:
                if say is not None:
                    client.divert(partial(_say_last, client, say))
                client.be_patient(_FAREWELL_S)
                client.request("TEARDOWN", self._url)
        if connection is not None:
            # Closing alone would leave it open where a camera that hangs still holds it.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for end in (connection, *(datagrams or ())):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.close()

    def _set_up(self, client: RtspClient) -> None:
        track = f"{self._url}/{_TRACK}"
        if not self._udp:
            wanted = "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"
            answer = client.request("SETUP", track, [("Transport", wanted)])
            channels = re.search(r"interleaved=(\d+)", answer.get("transport"))
            channel = int(channels[1]) & 0xFE if channels else 0
            self._rtp = RtpStream.begun(chance=self._chance, channel=channel, wall=self._wall)
            return
        self._datagrams = _pair_of_ports(self._connection)
        port = self._datagrams[0].getsockname()[1]
        wanted = f"RTP/AVP;unicast;client_port={port}-{port + 1};mode=record"
        answer = client.request("SETUP", track, [("Transport", wanted)])
        self._aim(answer)

    def _aim(self, answer: Answer) -> None:
        ports = re.search(r"server_port=(\d+)(?:-(\d+))?", answer.get("transport"))
        if ports is None or self._connection is None or self._datagrams is None:
            raise StreamTargetError(
                f"{self._target}: the server takes no UDP; set stream.transport to tcp",
                code="stream_rejected",
            )
        host = self._connection.getpeername()[0]
        for end, port in zip(
            self._datagrams, (int(ports[1]), int(ports[2] or int(ports[1]) + 1)), strict=True
        ):
            end.connect((host, port))
            end.settimeout(_WRITE_S)

    def _send_datagrams(self, parts: list[bytes | memoryview], _size_bytes: int) -> None:
        if self._datagrams is None:
            return
        try:
            for header, payload in zip(parts[::2], parts[1::2], strict=True):
                # The second byte is the channel: even for packets, odd for reports.
                end = self._datagrams[header[1] & 1]
                end.sendall(b"".join((header[RtpSender.FRAME_BYTES :], payload)))
        except OSError as error:
            raise lost(self._target, error) from error

    def _listen(self, client: RtspClient, now_s: float) -> None:
        """Keep the session alive, and notice a server that has stopped while the kernel still takes bytes."""
        self._next_listening_s = now_s + _LISTEN_EVERY_S
        heard = client.answers
        client.hear()
        if client.answers != heard:
            self._waiting_since_s = None
        silent_s = now_s - self._waiting_since_s if self._waiting_since_s is not None else 0.0
        if client.answers and silent_s >= _SILENT_S:
            raise StreamTargetError(
                f"{self._target}: the server has not answered for {silent_s:.0f} s", code="stream_timeout"
            )
        if now_s >= self._next_ask_s:
            self._next_ask_s = now_s + _ASK_EVERY_S
            if self._waiting_since_s is None:
                self._waiting_since_s = now_s
                client.ask("OPTIONS", self._url)


def _say_last(client: RtspClient, say: Callable[[Insert], None], data: bytes) -> None:
    try:
        say(Insert(data, last=True))
    except ProcessError:
        # The camera is gone, as at the agent's end, and has let go of the connection.
        client.send(data)


def _request_url(target: StreamUrl) -> tuple[str, Credentials | None]:
    """Return the URL as it is asked for, without credentials, and those."""
    parts = urlsplit(target.raw)
    user, at, host = parts.netloc.rpartition("@")
    url = parts._replace(netloc=host, fragment="").geturl()
    if not at:
        return url, None
    name, _, password = user.partition(":")
    return url, Credentials(unquote(name), unquote(password))


def _description(keyframe: bytes, host: str) -> str:
    """Return the SDP that announces the stream by the keyframe's own parameter sets."""
    sets = parameter_sets(keyframe)
    sps = next((unit for unit in sets if unit[0] & 0x1F == 7 and len(unit) > 3), None)
    if sps is None:
        raise StreamTargetError(
            "the stream could not be prepared: the camera's keyframe has no parameter sets",
            code="stream_rejected",
        )
    described = ",".join(base64.b64encode(unit).decode() for unit in sets)
    sets_and_profile = f"sprop-parameter-sets={described}; profile-level-id={sps[1:4].hex().upper()}"
    family = "IP6" if ":" in host else "IP4"
    return "\r\n".join(
        [
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=edge-agent",
            f"c=IN {family} {host if re.fullmatch(r'[0-9a-fA-F.:]+', host) else '0.0.0.0'}",
            "t=0 0",
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
            f"a=rtpmap:{PAYLOAD_TYPE} H264/{TICKS_PER_SECOND}",
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1; {sets_and_profile}",
            f"a=control:{_TRACK}",
            "",
        ]
    )


def _pair_of_ports(connection: socket.socket | None) -> tuple[socket.socket, socket.socket]:
    """Return two sockets for datagrams on an even port and the one after it."""
    family = connection.family if connection is not None else socket.AF_INET
    for _ in range(_PORT_TRIES):
        ends = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        try:
            ends[0].bind(("", 0))
            port = ends[0].getsockname()[1]
            if port % 2 == 0:
                ends[1].bind(("", port + 1))
                return ends
        except OSError:
            pass
        for end in ends:
            end.close()
    raise StreamTargetError("no two ports in a row are free for RTP over UDP", code="stream_unreachable")
