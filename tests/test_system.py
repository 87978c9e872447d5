from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contract.command import Registry
from edge_agent.system import SystemCommands
from tests.clocks import settled
from tests.contract.desk import Desk


class Node:
    """An agent as far as its own commands see it."""

    def __init__(self, path: Path) -> None:
        self.done: list[str] = []
        self.desk = Desk(
            path,
            registry=Registry(
                SystemCommands(
                    refresh=lambda: self.done.append("refresh"),
                    restart_agent=lambda: self.done.append("agent"),
                    restart_camera=self.camera,
                    restart_stream=self.stream,
                    forever=self.forever,
                ).commands()
            ),
        )

    async def camera(self, reason: str) -> None:
        self.done.append(f"camera by {reason}")

    async def stream(self, reason: str) -> None:
        self.done.append(f"stream by {reason}")

    async def forever(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
async def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


async def test_refresh_publishes_everything_again(node: Node) -> None:
    assert (await node.desk.ask("refresh"))["state"] == "done"
    assert (await node.desk.ask("refresh", {"dry_run": True}))["state"] == "done"
    assert node.done == ["refresh"]


@pytest.mark.parametrize(
    ("payload", "done"),
    [(b"camera", "camera by command"), ({"target": "stream", "id": "a1"}, "stream by command a1")],
)
async def test_a_part_is_restarted_and_answered(node: Node, payload: Any, done: str) -> None:
    await node.desk.ask("restart", payload)
    assert node.desk.states() == ["accepted", "done"]
    assert node.done == [done]


@pytest.mark.parametrize("document", [{}, {"target": "agent"}, {"target": "agent", "id": "a1"}])
async def test_a_restart_of_the_agent_is_answered_by_the_next_one(
    node: Node, tmp_path: Path, document: dict[str, Any]
) -> None:
    await node.desk.ask("restart", document)
    await node.desk.dispatcher.stop()
    assert node.desk.states() == ["accepted"]
    assert node.done == ["agent"]
    [reply] = Node(tmp_path).desk.replies()
    assert (reply["state"], reply["id"], reply["command"]) == ("done", document.get("id"), "restart")


async def test_a_dry_run_restarts_nothing(node: Node) -> None:
    reply = await node.desk.ask("restart", {"dry_run": True})
    assert (reply["state"], reply["applied"]) == ("done", {"target": "agent"})
    await settled()
    assert node.done == []


async def test_an_unknown_target_is_refused(node: Node) -> None:
    reply = await node.desk.ask("restart", b"camra")
    assert reply["state"] == "rejected"
    assert reply["error"]["allowed"] == ["agent", "camera", "stream"]
    assert "did you mean 'camera'" in reply["error"]["message"]
