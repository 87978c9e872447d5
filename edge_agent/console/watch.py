"""`edge-agent watch`: every node of the broker, live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge_agent.clock import Clock
from edge_agent.console.fleet import Fleet
from edge_agent.console.observer import Observer
from edge_agent.mqtt.config import MqttConfig

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["fleet_table", "watch_as_json", "watch_live", "watch_once"]

_CONNECT_S = 10.0
_COLUMNS = ("node", "state", "camera", "stream", "fps", "lux", "profile", "cpu_percent", "problems")


def fleet_table(fleet: Fleet) -> Table:
    """Return the nodes as a table."""
    from rich.table import Table  # noqa: PLC0415 - only where it shows something

    table = Table(title=f"{len(fleet.nodes)} nodes", expand=True)
    for column in _COLUMNS:
        table.add_column(column.replace("_percent", " %"))
    for _, node in sorted(fleet.nodes.items()):
        line = node.line()
        style = "red" if line["state"] in ("offline", "unknown") else "yellow" if line["problems"] else ""
        table.add_row(*(_cell(line[column]) for column in _COLUMNS), style=style)
    return table


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, float):
        return f"{value:.1f}"
    return "-" if value is None else str(value)


async def watch_live(*, config: MqttConfig, clock: Clock, console: Console) -> None:
    """Show the fleet until interrupted."""
    from rich.live import Live  # noqa: PLC0415 - only where it shows something

    fleet = Fleet(root=config.root)
    async with Observer(config=config, subscriptions=fleet.subscriptions(), clock=clock) as observer:
        await observer.connected(_CONNECT_S)
        with Live(console=console, auto_refresh=False, screen=True) as live:

            async def draw() -> None:
                while True:
                    live.update(fleet_table(fleet), refresh=True)
                    await clock.sleep(0.5)

            drawing = asyncio.get_running_loop().create_task(draw(), name="draw")
            try:
                async for message in observer.messages():
                    fleet.take(message)
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)


async def watch_as_json(*, config: MqttConfig, clock: Clock, write: Callable[[str], None]) -> None:
    """Write a line of JSON for each node whenever it changes, until interrupted."""
    fleet = Fleet(root=config.root)
    last: dict[str, str] = {}
    async with Observer(config=config, subscriptions=fleet.subscriptions(), clock=clock) as observer:
        await observer.connected(_CONNECT_S)
        async for message in observer.messages():
            node = fleet.take(message)
            if node is None:
                continue
            line = json.dumps(node.line())
            if last.get(node.id) != line:
                last[node.id] = line
                write(line)


async def watch_once(*, config: MqttConfig, clock: Clock, settle_s: float = 1.0) -> Fleet:
    """Return what the broker holds now: retained documents come within a moment."""
    fleet = Fleet(root=config.root)
    async with Observer(config=config, subscriptions=fleet.subscriptions(), clock=clock) as observer:
        await observer.connected(_CONNECT_S)
        try:
            async with asyncio.timeout(settle_s):
                async for message in observer.messages():
                    fleet.take(message)
        except TimeoutError:
            pass
    return fleet
