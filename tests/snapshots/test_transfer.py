from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.errors import LinkError, RefusedError, StorageError
from edge_agent.mqtt.message import Outgoing, packet_bytes
from edge_agent.snapshots.transfer import FromFile, FromMemory, Transfer
from tests.snapshots.gallery import content

CHUNK_BYTES = 4096
TOPIC = "edge/v1/porch/image/x"


class Wire:
    """Takes messages up to a limit; may fail at the nth."""

    def __init__(self, *, limit_bytes: int = 10**9, fails_at: int | None = None) -> None:
        self.sent: list[Outgoing] = []
        self._limit_bytes = limit_bytes
        self._fails_at = fails_at

    async def deliver(self, message: Outgoing) -> None:
        await asyncio.sleep(0)
        if packet_bytes(message) > self._limit_bytes:
            raise LinkError(
                "too large", code="message_too_large", value=packet_bytes(message), allowed=self._limit_bytes
            )
        if len(self.sent) == self._fails_at:
            raise LinkError("the connection was lost", code="connection_lost")
        self.sent.append(message)

    def transfer(self) -> Transfer:
        return Transfer(deliver=self.deliver, chunk_bytes=CHUNK_BYTES)


@pytest.mark.parametrize("size_bytes", [1, CHUNK_BYTES - 1, CHUNK_BYTES])
async def test_what_fits_goes_as_one_message(size_bytes: int) -> None:
    wire, taken = Wire(), content(size_bytes=size_bytes)
    sent = await wire.transfer().send(FromMemory(taken), topic=TOPIC)
    assert [(m.topic, m.payload, m.qos, m.retain, m.kind) for m in wire.sent] == [
        (TOPIC, taken, 1, False, "bulk")
    ]
    assert sent.model_dump() == {
        "topic": TOPIC,
        "chunks": 1,
        "chunk_bytes": CHUNK_BYTES,
        "size_bytes": size_bytes,
        "sha256": hashlib.sha256(taken).hexdigest(),
    }


@pytest.mark.parametrize("size_bytes", [CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 10 * CHUNK_BYTES + 7])
async def test_what_is_larger_goes_in_numbered_chunks(size_bytes: int) -> None:
    wire, taken = Wire(), content(size_bytes=size_bytes)
    shares: list[float] = []
    sent = await wire.transfer().send(FromMemory(taken), topic=TOPIC, progress=shares.append)
    assert [m.topic for m in wire.sent] == [f"{TOPIC}/{number}" for number in range(sent.chunks)]
    assert b"".join(m.payload for m in wire.sent) == taken
    assert {len(m.payload) for m in wire.sent[:-1]} == {CHUNK_BYTES}
    assert (sent.size_bytes, sent.sha256) == (size_bytes, hashlib.sha256(taken).hexdigest())
    assert shares == sorted(shares)
    assert all(0 < share < 1 for share in shares)


async def test_a_long_transfer_tells_its_progress_in_few_steps() -> None:
    wire, shares = Wire(), []  # type: tuple[Wire, list[float]]
    await wire.transfer().send(
        FromMemory(content(size_bytes=300 * CHUNK_BYTES)), topic=TOPIC, progress=shares.append
    )
    assert len(wire.sent) == 300
    assert len(shares) == 19


@pytest.mark.parametrize("limit_bytes", [1000, 3000, 4100])
async def test_chunks_are_as_small_as_the_broker_wants_them(limit_bytes: int) -> None:
    wire, taken = Wire(limit_bytes=limit_bytes), content(size_bytes=20_000)
    sent = await wire.transfer().send(FromMemory(taken), topic=TOPIC)
    assert b"".join(m.payload for m in wire.sent) == taken
    assert sent.chunk_bytes == len(wire.sent[0].payload)
    assert limit_bytes - 100 < sent.chunk_bytes < limit_bytes


async def test_a_broker_that_takes_next_to_nothing_is_told_as_it_is() -> None:
    wire = Wire(limit_bytes=500)
    with pytest.raises(LinkError) as caught:
        await wire.transfer().send(FromMemory(content(size_bytes=20_000)), topic=TOPIC)
    assert caught.value.code == "message_too_large"
    assert wire.sent == []


async def test_a_chunk_that_was_not_delivered_is_not_told_as_sent() -> None:
    wire = Wire(fails_at=2)
    with pytest.raises(LinkError, match="lost"):
        await wire.transfer().send(FromMemory(content(size_bytes=20_000)), topic=TOPIC)
    assert len(wire.sent) == 2


async def test_one_at_a_time_and_not_too_many_wait() -> None:
    wire = Wire()
    transfer = wire.transfer()
    results = await asyncio.gather(
        *(transfer.send(FromMemory(content(number, 10_000)), topic=f"t{number}") for number in range(20)),
        return_exceptions=True,
    )
    refused = [each for each in results if isinstance(each, RefusedError)]
    assert [each.code for each in refused] == ["busy"] * 4
    topics = [m.topic.partition("/")[0] for m in wire.sent]
    assert topics == [f"t{number}" for number in range(16) for _ in range(3)]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "picture"
    path.write_bytes(content(size_bytes=10_000))
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


async def test_a_file_is_sent_from_its_beginning_each_time(file: int) -> None:
    wire = Wire()
    checksum = hashlib.sha256(content(size_bytes=10_000)).hexdigest()
    for _ in range(2):
        wire.sent.clear()
        sent = await wire.transfer().send(FromFile(file), topic=TOPIC, sha256=checksum)
        assert b"".join(m.payload for m in wire.sent) == content(size_bytes=10_000)
        assert sent.sha256 == checksum


async def test_a_file_that_is_not_what_was_stored_is_told(file: int, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="its checksum has changed") as caught:
        await Wire().transfer().send(FromFile(file), topic=TOPIC, sha256="0" * 64)
    assert caught.value.code == "picture_damaged"
    source = FromFile(file)
    os.truncate(tmp_path / "picture", 5000)
    with pytest.raises(StorageError, match="shorter") as caught:
        await Wire().transfer().send(source, topic=TOPIC)
    assert caught.value.code == "picture_damaged"
