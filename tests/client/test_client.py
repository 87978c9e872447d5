"""The client against a real agent on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.client import CommandError, NoAnswerError, connect
from edge_agent.errors import LinkError, RefusedError
from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, free_port
from tests.listener import Listener


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory = tmp_path_factory.mktemp("client")
    with (
        Mosquitto(directory) as broker,
        Listener(broker.port, "edge/v1/#") as listener,
        AgentProcess(directory, port=broker.port, listener=listener) as agent,
    ):
        agent.running()
        yield broker.port


async def test_a_command_is_a_method_and_its_outcome_a_reply(port: int) -> None:
    async with connect(f"mqtt://127.0.0.1:{port}") as broker:
        porch = broker.node("porch")
        await porch.wait_online()
        reply = await porch.exposure(time_us=5_000, gain=2.0)
        assert reply.applied["mode"] == "manual"
        assert reply.applied["time_us"] == pytest.approx(5_000, abs=50)
        clamped = await porch.framerate(500)
        assert clamped.clamped == ("fps",)
        status = await porch.wait_status(
            lambda said: said["camera"]["settings"]["video"]["fps"] == clamped.applied["fps"]
        )
        assert status["camera"]["settings"]["exposure"]["mode"] == "manual"
        assert "exposure" in porch.capabilities["commands"]
        assert broker.nodes == ["porch"]
        assert porch.online


async def test_a_refusal_is_an_error_with_the_nodes_own_words(port: int) -> None:
    async with connect(f"mqtt://127.0.0.1:{port}") as broker:
        with pytest.raises(CommandError, match="did you mean 'day'") as caught:
            await broker.node("porch").profile("dya")
        assert caught.value.code == "unknown_profile"
        with pytest.raises(CommandError, match="fps"):
            await broker.node("porch").framerate(500, strict=True)


async def test_a_dry_run_changes_nothing(port: int) -> None:
    async with connect(f"mqtt://127.0.0.1:{port}") as broker:
        porch = broker.node("porch")
        tried = await porch.image(contrast=1.75, dry_run=True)
        assert tried.applied["contrast"] == 1.75
        # A real change comes after it, so that what is seen then is seen after both.
        await porch.image(saturation=1.25)
        status = await porch.wait_status(
            lambda said: said["camera"]["settings"]["image"]["saturation"] == 1.25
        )
        assert status["camera"]["settings"]["image"]["contrast"] != 1.75


async def test_a_node_that_is_not_there_does_not_answer(port: int) -> None:
    async with connect(f"mqtt://127.0.0.1:{port}") as broker:
        gate = broker.node("gate")
        assert not gate.online
        assert gate.status is None
        with pytest.raises(NoAnswerError, match="the broker knows no such node"):
            await gate.refresh(wait_s=0.2)
        with pytest.raises(NoAnswerError, match="did you mean 'porch'"):
            await broker.node("portch").refresh(wait_s=0.2)
        with pytest.raises(NoAnswerError):
            await gate.wait_online(timeout_s=0.1)
        with pytest.raises(RefusedError):
            broker.node("../porch")


async def test_all_nodes_that_the_broker_knows_are_there_from_the_start(tmp_path: Path) -> None:
    names = [f"node{number:03}" for number in range(200)]
    with Mosquitto(tmp_path) as broker, Listener(broker.port, "edge/v1/#") as listener:
        for name in names:
            for document in ("capabilities", "status", "availability"):
                listener.publish(f"edge/v1/{name}/{document}", {"state": "offline"}, retain=True)
        listener.publish("edge/v1/broken/availability", "offline", retain=True)
        listener.wait("edge/v1/broken/availability")
        async with connect(f"mqtt://127.0.0.1:{broker.port}") as client:
            assert client.nodes == names
            with pytest.raises(NoAnswerError, match="it is offline"):
                await client.node("node007").refresh(wait_s=0.2)


async def test_a_broker_that_is_not_there_is_told() -> None:
    with pytest.raises(LinkError, match="no connection to the broker"):
        async with connect(f"mqtt://127.0.0.1:{free_port()}", timeout_s=0.5):
            pass
    for wrong in ("http://localhost", "localhost"):
        with pytest.raises(RefusedError, match="mqtt://"):
            connect(wrong)
