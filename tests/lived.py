"""A state directory that an agent has lived in, and an agent that is started from it without its children."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

from edge_agent.agent import Agent
from edge_agent.clock import SystemClock
from edge_agent.config import load
from edge_agent.feature import discover
from edge_agent.stream.listener import packet_listener
from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener

__all__ = ["KEPT", "live", "started"]

# Each file, and the features that read it; the others are the agent's own.
KEPT: dict[str, frozenset[str]] = {
    "settings.json": frozenset(),
    "journal.jsonl": frozenset(),
    "stream.json": frozenset(),
    "home_assistant.json": frozenset({"home_assistant"}),
    "profile.json": frozenset({"profiles"}),
    "day_night.json": frozenset({"day_night"}),
    "desired.json": frozenset({"desired"}),
    "schedules.json": frozenset({"schedules"}),
    "identify.json": frozenset({"identify"}),
    "schedules.d/saved.json": frozenset({"schedules"}),
    "profiles/mine.yaml": frozenset({"profiles"}),
    "pictures.sqlite3": frozenset({"snapshots"}),
}


def live(directory: Path) -> None:
    """Do a bit of everything and stop; what is left is in `state`, and a copy of it in `kept`."""
    with (
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(directory, port=broker.port, listener=listener) as agent,
    ):
        agent.online()
        agent.running()
        for name, arguments in (
            ("settings", {"image": {"contrast": 1.2}, "exposure": {"ev": 0.5}}),
            ("profile", {"name": "mine", "action": "save"}),
            ("profile", {"name": "mine"}),
            ("schedule", {"action": "set", "name": "often", "cron": "0 7 * * *", "profile": "mine"}),
            ("schedule", {"action": "run_now", "name": "often"}),
            ("day_night", {"mode": "auto"}),
            ("stream", {"action": "start"}),
            ("identify", {"duration_s": 300}),
        ):
            reply = agent.command(name, arguments)
            assert reply["state"] == "done", reply
        since = listener.mark()
        listener.publish(f"{agent.base}/desired", {"version": 3, "settings": {"image": {"sharpness": 1.1}}})
        agent.status(lambda status: status["desired"]["state"] == "applied", since=since)
    shutil.copytree(directory / "state", directory / "kept")


async def started(
    directory: Path, *, only: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Start everything but the children, perhaps only some features; returns their states, and `status`."""
    features = discover()
    sections = {name: model for feature in features.values() for name, model in feature.sections().items()}
    agent = Agent(
        configuration=load(directory / "config.yaml", environ={}, sections=sections),
        features={name: each for name, each in features.items() if only is None or name in only},
        clock=SystemClock(),
        random=Random(0),
    )
    async with AsyncExitStack() as stack:
        agent._assemble(stack.enter_context(packet_listener(directory)), None)
        agent._register_core()
        await agent._start_features(stack)
        # What the camera does when it is up.
        agent._camera._memory.wanted()
        agent._tell_damage()
        agent._dispatcher.end_open_commands()
        stack.push_async_callback(agent._dispatcher.stop)
        status = {**agent._board.document(), "problems": agent._problems.document()}
        return dict(agent._feature_states), status
