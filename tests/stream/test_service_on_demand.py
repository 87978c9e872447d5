"""A stream that is there while somebody watches, in driven time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_agent.errors import RefusedError
from tests.stream.stream_rig import Rig


@pytest.fixture
async def on_demand(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, mode="on_demand")
    await made.passes(3)
    yield made
    await made.close()


async def test_on_demand_nothing_is_encoded_until_somebody_asks(on_demand: Rig) -> None:
    assert on_demand.state() == ("waiting", None)
    assert on_demand.service.status().reason == "nobody is watching"
    assert on_demand.camera.encoding == [False]
    assert on_demand.child.status.pid is not None, "it sleeps, so that the first picture is there sooner"
    await on_demand.command(action="demand")
    assert on_demand.camera.encoding[-1] is True


async def test_on_demand_readers_hold_it_and_grace_follows(on_demand: Rig) -> None:
    await on_demand.command(action="demand")
    await on_demand.publishes()
    on_demand.server.path(readers=1)
    await on_demand.passes(60, publishing=True)
    assert on_demand.state() == ("publishing", None)
    on_demand.server.path(readers=0)
    await on_demand.passes(17, publishing=True)
    assert on_demand.state() == ("publishing", None)
    await on_demand.passes(6, publishing=True)
    assert on_demand.state() == ("waiting", None)
    assert on_demand.camera.encoding[-1] is False


async def test_on_demand_a_reader_of_an_offline_path_begins_it(on_demand: Rig) -> None:
    on_demand.server.path(remote=None, readers=1)
    await on_demand.passes(3)
    assert on_demand.camera.encoding[-1] is True


async def test_on_demand_a_release_ends_it(on_demand: Rig) -> None:
    await on_demand.command(action="demand")
    await on_demand.command(action="release")
    assert on_demand.camera.encoding == [False, True, False]


async def test_those_who_wait_for_the_beginning_get_keyframes_and_a_reconnect_costs_none(
    on_demand: Rig,
) -> None:
    await on_demand.command(action="demand")
    await on_demand.publishes()
    assert on_demand.camera.keyframes == 3
    on_demand.beats("failed", code="stream_unreachable")
    await on_demand.publishes()
    assert on_demand.camera.keyframes == 3


async def test_a_demand_on_a_stopped_stream_is_refused(on_demand: Rig) -> None:
    await on_demand.command(action="stop")
    with pytest.raises(RefusedError, match="the stream is stopped"):
        await on_demand.command(action="demand")
