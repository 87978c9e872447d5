from __future__ import annotations

import asyncio
import struct
import threading

import pytest

from edge_agent.errors import ProcessError
from edge_agent.processes.agent_channel import AgentChannel
from edge_agent.processes.channel import ChildChannel, Message, socket_pair


async def test_messages_go_both_ways_whole() -> None:
    agent_end, child_end = socket_pair()
    agent, child = await AgentChannel.open(agent_end), ChildChannel(child_end)
    large = Message("still", {"ü": [1, None, 2.5]}, id=3, attachment=bytes(range(256)) * 20_000)

    agent.send(large)
    assert await asyncio.to_thread(child.receive) == large
    sending = asyncio.create_task(asyncio.to_thread(child.send, large))
    assert await agent.receive() == large
    await sending

    agent.send(Message("stop"))
    agent.send(Message("keyframe", id=4))
    assert child.receive() == Message("stop")
    assert child.receive() == Message("keyframe", id=4)
    agent.close()
    assert await asyncio.to_thread(child.receive) is None
    child_end.close()


async def test_the_end_of_the_child_is_the_end_of_messages() -> None:
    agent_end, child_end = socket_pair()
    agent = await AgentChannel.open(agent_end)
    child_end.sendall(b"\x00\x00")  # it ended in the middle of a header
    child_end.close()
    assert await agent.receive() is None
    agent.close()


async def test_sending_on_a_closed_channel_is_an_error() -> None:
    agent_end, child_end = socket_pair()
    agent = await AgentChannel.open(agent_end)
    agent.close()
    with pytest.raises(ProcessError, match="'apply' was not sent"):
        agent.send(Message("apply"))
    child_end.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        struct.pack("!II", 2, 0) + b"[]",
        struct.pack("!II", 2, 0) + b"{}",
        struct.pack("!II", 3, 0) + b"\xff{}",
        struct.pack("!II", 2**31, 0),
        struct.pack("!II", 2, 2**31),
    ],
)
async def test_nonsense_is_an_error_at_both_ends(nonsense: bytes) -> None:
    agent_end, child_end = socket_pair()
    agent = await AgentChannel.open(agent_end)
    child_end.sendall(nonsense)
    with pytest.raises(ProcessError, match="the other end of the channel"):
        await agent.receive()
    agent.close()
    child_end.close()

    one, other = socket_pair()
    one.sendall(nonsense)
    with pytest.raises(ProcessError, match="the other end of the channel"):
        ChildChannel(other).receive()
    one.close()
    other.close()


async def test_a_message_too_large_is_not_sent() -> None:
    agent_end, child_end = socket_pair()
    agent = await AgentChannel.open(agent_end)
    with pytest.raises(ProcessError, match="'apply' is too large"):
        agent.send(Message("apply", {"text": "x" * (2 * 1024 * 1024)}))
    agent.close()
    child_end.close()


async def test_several_threads_of_a_child_do_not_mix_their_messages() -> None:
    agent_end, child_end = socket_pair()
    agent, child = await AgentChannel.open(agent_end), ChildChannel(child_end)

    def send(number: int) -> None:
        for _ in range(20):
            child.send(Message("beat", {"n": number}, attachment=bytes([number]) * 10_000))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(80):
        message = await agent.receive()
        assert message is not None
        assert message.attachment == bytes([message.body["n"]]) * 10_000
    for thread in threads:
        thread.join()
    agent.close()
    child_end.close()
