"""A broker by script, for answers that no real broker gives on request."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Self

CONNECT, PUBLISH, SUBSCRIBE = 0x10, 0x30, 0x80


class FakeBroker:
    """Answers CONNECT with `connack` (closes without one), SUBSCRIBE with `granted`, and nothing else.

    `connack` maps the protocol's level (4 is MQTT 3.1.1, 5 is MQTT 5) to bytes; `levels` are those it saw.
    """

    def __init__(
        self,
        *,
        connack: dict[int, bytes] | None = None,
        granted: bytes = b"\x01",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self.connack = {4: b"\x20\x02\x00\x00", 5: b"\x20\x03\x00\x00\x00"} if connack is None else connack
        self.granted = granted
        self.levels: list[int] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def send(self, packet: bytes) -> None:
        self._writers[-1].write(packet)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        level = 0
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                kind = (await reader.readexactly(1))[0] & 0xF0
                length = shift = 0
                while True:
                    byte = (await reader.readexactly(1))[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                body = await reader.readexactly(length)
                if kind == CONNECT:
                    level = body[6]
                    self.levels.append(level)
                    if level not in self.connack:
                        break
                    writer.write(self.connack[level])
                elif kind == SUBSCRIBE:
                    answer = body[:2] + (b"\x00" if level == 5 else b"") + self.granted
                    writer.write(bytes((0x90, len(answer))) + answer)
                elif kind == PUBLISH:
                    topic_end = 2 + int.from_bytes(body[:2])
                    writer.write(b"\x40\x02" + body[topic_end : topic_end + 2])
        writer.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0)
