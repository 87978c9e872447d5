"""The demo's screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from edge_agent.console.fleet import Node

__all__ = ["DemoView", "Receiver", "plain_line"]


@dataclass(frozen=True)
class Receiver:
    """What the small receiver counted at the other end of the stream."""

    frames: int = 0
    fps: float = 0.0
    sessions: int = 0
    width: int | None = None
    height: int | None = None

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Receiver:
        """Return one of its lines."""
        return cls(**{name: line.get(name, getattr(cls, name)) for name in cls.__dataclass_fields__})


@dataclass
class DemoView:
    """All that the screen shows beside the node itself."""

    broker: str
    target: str
    picture: Path | None
    commands: list[str]
    receiver: Receiver

    def screen(self, node: Node) -> RenderableType:
        """Return the whole screen."""
        from rich.console import Group  # noqa: PLC0415 - only where it shows something
        from rich.panel import Panel  # noqa: PLC0415 - see above
        from rich.text import Text  # noqa: PLC0415 - see above

        problems = node.get("problems") or []
        return Group(
            Panel(self._where(node), title=f"edge-agent demo: node '{node.id}'", border_style=_colour(node)),
            Panel(self._camera(node), title="camera"),
            Panel(self._stream(node), title="stream"),
            Panel(Text("\n".join(node.happened) or "nothing yet"), title="what happened", height=10),
            *(
                [Panel(Text("\n".join(p["message"] for p in problems)), title="problems", style="red")]
                if problems
                else []
            ),
            Panel(
                Text("\n".join(self.commands), overflow="fold"),
                title="try in another terminal (Ctrl-C ends the demo)",
            ),
        )

    def _where(self, node: Node) -> Table:
        heartbeat = node.heartbeat
        return _pairs(
            availability=node.availability.get("state"),
            broker=self.broker,
            link=f"MQTT {node.get('link', 'protocol')}",
            profile=f"{node.get('profile', 'active')} by {node.get('profile', 'cause')}",
            next_switch=_next_switch(node),
            uptime_s=heartbeat.get("uptime_s"),
            cpu_percent=heartbeat.get("cpu_percent"),
        )

    def _camera(self, node: Node) -> Table:
        def setting(*path: str) -> Any:
            return node.get("camera", "settings", *path)

        def sensor(name: str) -> str:
            return _number(node.get("camera", "sensor", name))

        size = f"{setting('video', 'width')}x{setting('video', 'height')}"
        model, driver = node.get("camera", "model"), node.get("camera", "driver")
        scene, af_state = (node.get("camera", "sensor", name) for name in ("scene", "af_state"))
        exposure = f"{sensor('exposure_us')} µs, gain {sensor('analogue_gain')}"
        return _pairs(
            state=f"{node.get('camera', 'state')}: {model} by driver {driver}",
            video=f"{size} at {setting('video', 'fps')} fps",
            exposure=f"{setting('exposure', 'mode')}: {exposure}",
            light=f"{sensor('lux')} lux, {scene}, {sensor('colour_temperature_k')} K",
            focus=f"{setting('focus', 'mode')}: {sensor('lens_position')} dioptres, {af_state}",
            frames=node.get("camera", "frames"),
        )

    def _stream(self, node: Node) -> Table:
        def stream(name: str) -> Any:
            return node.get("stream", name)

        seen = self.receiver
        size = f"{seen.width}x{seen.height}"
        received = f"{seen.frames} frames, {seen.fps:.1f} fps, {size}, session {seen.sessions}"
        rate = f"{_number(stream('fps'))} fps, {_megabits(stream('bitrate_bps'))}"
        return _pairs(
            state=f"{stream('state')} {stream('reason') or ''}",
            to=self.target,
            sent=f"{stream('frames')} frames, {rate}",
            dropped=f"{stream('dropped')}, reconnects {stream('reconnects')}",
            **({"received": received, "picture": str(self.picture)} if self.picture else {}),
            snapshot=f"{node.get('snapshot', 'id')}, {node.picture_bytes} bytes on image/latest",
        )


def plain_line(node: Node, receiver: Receiver | None) -> str:
    """Return the state in one line, for terminals that are none."""
    received = f"received {receiver.frames} frames, " if receiver else ""
    return (
        f"{node.availability.get('state', 'starting')}: camera {node.get('camera', 'state')}, "
        f"stream {node.get('stream', 'state')} {_number(node.get('stream', 'fps'))} fps, "
        f"{received}lux {_number(node.get('camera', 'sensor', 'lux'))}, "
        f"profile {node.get('profile', 'active')}, snapshots {node.get('snapshot', 'count')}, "
        f"problems {len(node.get('problems') or [])}"
    )


def _colour(node: Node) -> str:
    return "green" if node.availability.get("state") == "online" else "yellow"


def _next_switch(node: Node) -> str:
    coming = node.get("schedule", "next")
    if not coming:
        return "none"
    return f"{coming[0]['does']} at {coming[0]['time'][:16].replace('T', ' ')} UTC"


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _megabits(value: Any) -> str:
    return "-" if value is None else f"{value / 1e6:.1f} Mbit/s"


def _pairs(**values: Any) -> Table:
    from rich.table import Table  # noqa: PLC0415 - only where it shows something

    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        table.add_row(name.replace("_", " "), "-" if value is None else str(value), style="")
    return table
