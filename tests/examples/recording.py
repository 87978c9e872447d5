"""A run of a real agent in which each command is sent once."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener, Seen

__all__ = ["Recording", "record"]

# What each command is sent with. One that is not here gets its main argument by its schema, or nothing.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "bitrate": {"bps": 4_000_000},
    "day_night": {"mode": "auto", "night_below_lux": 4},
    "encoder": {"profile": "main", "keyframe_interval_s": 2},
    "exposure": {"time_us": 10_000, "gain": 2.0},
    "focus": {"position": 2.5},
    "focus_trigger": {"timeout_s": 10},
    "framerate": {"fps": 500},
    "hdr": {"mode": "sensor"},
    "identify": {"duration_s": 2},
    "image": {"contrast": 1.2, "saturation": 1.1},
    "images": {"action": "list"},
    "lens_correction": {"enabled": True},
    "logs": {"lines": 2},
    "overlay": {"text": "{name} {time}"},
    "profile": {"name": "night"},
    "resolution": {"width": 640, "height": 480},
    "restart": {"target": "camera"},
    "roi": {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5},
    "schedule": {"action": "set", "name": "dusk", "sun": {"event": "dusk"}, "profile": "night"},
    "settings": {"image": {"brightness": 0.1}, "exposure": {"ev": 0.5}},
    "snapshot": {"quality": 80},
    "stream": {"action": "start"},
    "timelapse": {"action": "start", "name": "garden", "interval_s": 60},
    "transform": {"hflip": True},
    "update": {"action": "check"},
    "white_balance": {"mode": "daylight"},
}
_OWN_HOST = re.compile(rf"//{re.escape(socket.gethostname())}\b[^:/]*|//(?!127\.)\d+(?:\.\d+){{3}}")
# Others would leave it without light or focus.
_FIRST = ("focus_trigger",)
# These stop or change what the others need: they come last.
_LAST = ("restart",)
_SECTIONS: Any = {
    "stream": {"sub": {"enabled": True}},
    "profiles": {"latitude": 52.52, "longitude": 13.4, "timezone": "Europe/Berlin"},
}


@dataclass(frozen=True)
class Recording:
    """`documents` by the last levels of their topic, `commands` by name; `seen` is everything that came."""

    base: str
    documents: dict[str, Any]
    commands: dict[str, dict[str, Any]]
    seen: list[Seen]

    def files(self) -> dict[str, Any]:
        """Return the examples by the names of their files, without what is this machine's own."""
        names = dict(self.documents)
        names.update({f"commands/{name}": example for name, example in self.commands.items()})
        return {f"{name}.json": _anonymous(example) for name, example in sorted(names.items())}


def record(directory: Path, specs: Mapping[str, Any]) -> Recording:
    """Run an agent, send it each command of `specs` (as in commands.json), and return what came."""
    with (
        _newest_version() as url,
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(
            directory,
            port=broker.port,
            listener=listener,
            updates={"source": "url", "url": url},
            **_SECTIONS,
        ) as agent,
    ):
        agent.online()
        agent.running()
        order = sorted(specs, key=lambda name: (name not in _FIRST, name in _LAST, name))
        commands = {name: _sent(agent, listener, name, specs[name]) for name in order}
        desired = {"version": 1, "profile": "day", "settings": {"image": {"contrast": 1.4}}}
        since = listener.mark()
        listener.publish(f"{agent.base}/desired", desired, retain=True)
        agent.status(lambda status: status["desired"]["state"] == "applied", since=since)
        listener.wait(f"{agent.base}/heartbeat", since=listener.mark())
        agent.status(lambda status: status["camera"]["encoded"] is not None, since=since)
        agent.stop()
        listener.wait(f"{agent.base}/availability", lambda seen: seen.json["state"] == "stopped")
        seen = [message for message in listener.seen if message.topic.startswith(f"{agent.base}/")]
    documents: dict[str, Any] = {"desired": desired}
    for message in seen:
        name = message.topic.removeprefix(f"{agent.base}/")
        if name.startswith("event/") or name == "availability":
            documents.setdefault(name, message.json)
        elif name in ("status", "capabilities", "heartbeat"):
            documents[name] = message.json
    return Recording(base=agent.base, documents=documents, commands=commands, seen=seen)


class _Newest(BaseHTTPRequestHandler):
    """Tells a newer version than there will ever be."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(
            b'{"version": "99.0", "summary": "Sharper, faster.", "url": "https://example.org/99.0"}'
        )

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _newest_version() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Newest) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _sent(agent: AgentProcess, listener: Listener, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {"id": f"example-{name}", **ARGUMENTS.get(name, _sample(spec))}
    since = listener.mark()
    listener.publish(f"{agent.base}/cmd/{name}", arguments)
    reply = listener.wait(
        f"{agent.base}/reply/{name}",
        lambda seen: seen.json["state"] not in ("accepted", "running"),
        since=since,
        timeout_s=20,
    )
    return {
        "topic": f"{agent.base}/cmd/{name}",
        "payload": arguments,
        "reply_topic": reply.topic,
        "reply": reply.json,
    }


def _sample(spec: Mapping[str, Any]) -> dict[str, Any]:
    main = spec["main"]
    if main is None:
        return {}
    schema = spec["arguments"]["properties"][main]
    choices = [schema, *schema.get("anyOf", ())]
    for choice in choices:
        for value in (*choice.get("examples", ()), choice.get("const"), *choice.get("enum", ())):
            if value is not None:
                return {main: value}
    return {}


def _anonymous(value: Any) -> Any:
    """Addresses and names of the machine that it ran on say nothing to others."""
    if isinstance(value, dict):
        return {key: _anonymous(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_anonymous(item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return _OWN_HOST.sub("//porch.local", value)
    if address.is_loopback:
        return value
    return "192.0.2.17" if address.version == 4 else "2001:db8::17"
