"""One picture over MQTT: as one message where it fits, else in chunks, each waited for."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict

from edge_agent.errors import LinkError, RefusedError, StorageError
from edge_agent.mqtt.message import Outgoing
from edge_agent.snapshots.progress import in_steps

__all__ = ["FromFile", "FromMemory", "Sent", "Source", "Transfer"]

_MIN_CHUNK_BYTES: Final = 512
_MAX_WAITING: Final = 16


class Sent(BaseModel):
    """What was sent: one chunk on `topic` itself, or several on `topic/0`, `topic/1` and so on, in order.

    All but the last have `chunk_bytes`.
    """

    model_config = ConfigDict(frozen=True)

    topic: str
    chunks: int
    chunk_bytes: int
    size_bytes: int
    sha256: str


class Source(Protocol):
    """What a picture is read from."""

    @property
    def size_bytes(self) -> int:
        """How much there is."""
        ...

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """Return as much of it as there is, at most `size_bytes`. Raises StorageError."""
        ...


class FromFile:
    """An open file, which stays the caller's."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """Read on a thread."""
        try:
            return await asyncio.to_thread(os.pread, self._descriptor, size_bytes, offset)
        except OSError as error:
            raise StorageError(f"the picture cannot be read: {error.strerror or error}") from error


class FromMemory:
    """Bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size_bytes = len(content)

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """Return a part of them."""
        return self._content[offset : offset + size_bytes]


class Transfer:
    """Sends pictures, one at a time, each message only when the broker has the one before."""

    def __init__(self, *, deliver: Callable[[Outgoing], Awaitable[None]], chunk_bytes: int) -> None:
        self._deliver = deliver
        self._chunk_bytes = chunk_bytes
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def send(
        self,
        source: Source,
        *,
        topic: str,
        sha256: str | None = None,
        progress: Callable[[float], None] = lambda _share: None,
    ) -> Sent:
        """Send a picture. What was sent has `sha256`, where that is given.

        Raises LinkError where not all of it was delivered, RefusedError `busy`, StorageError where the disk
        does not give it, or gives something else (`picture_damaged`).
        """
        if self._waiting >= _MAX_WAITING:
            raise RefusedError(f"{_MAX_WAITING} pictures wait to be sent already, try again", code="busy")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._sent(source, topic, sha256, in_steps(progress))
        finally:
            self._waiting -= 1

    async def _sent(
        self, source: Source, topic: str, sha256: str | None, progress: Callable[[float], None]
    ) -> Sent:
        size_bytes = source.size_bytes
        chunk_bytes, begun = await self._begin(source, topic)
        digest = hashlib.sha256(begun)
        sent, chunks = len(begun), 1
        while sent < size_bytes:
            part = await source.read(sent, chunk_bytes)
            if not part:
                raise StorageError("the picture became shorter while it was sent", code="picture_damaged")
            await self._deliver(_message(f"{topic}/{chunks}", part))
            digest.update(part)
            sent, chunks = sent + len(part), chunks + 1
            progress(sent / size_bytes)
        if sha256 is not None and digest.hexdigest() != sha256:
            raise StorageError(
                "the picture on the disk is not the one that was stored: its checksum has changed",
                code="picture_damaged",
            )
        return Sent(
            topic=topic,
            chunks=chunks,
            chunk_bytes=chunk_bytes,
            size_bytes=size_bytes,
            sha256=digest.hexdigest(),
        )

    async def _begin(self, source: Source, topic: str) -> tuple[int, bytes]:
        """Deliver the first message, as large as this broker takes it; return that size and its bytes."""
        chunk_bytes = self._chunk_bytes
        while True:
            part = await source.read(0, chunk_bytes)
            whole = len(part) == source.size_bytes
            try:
                await self._deliver(_message(topic if whole else f"{topic}/0", part))
            except LinkError as error:
                smaller = _smaller(len(part), error)
                if smaller is None:
                    raise
                chunk_bytes = smaller
            else:
                return chunk_bytes, part


def _smaller(payload_bytes: int, error: LinkError) -> int | None:
    """Return how large a chunk this broker takes, None where its limit was not the trouble."""
    if error.code != "message_too_large" or not isinstance(error.allowed, int):
        return None
    # The number at the topic's end becomes longer with the chunks to come.
    smaller = payload_bytes - (error.value - error.allowed) - len("/9999999")
    return smaller if _MIN_CHUNK_BYTES <= smaller < payload_bytes else None


def _message(topic: str, payload: bytes) -> Outgoing:
    return Outgoing(topic=topic, payload=payload, qos=1, kind="bulk")
