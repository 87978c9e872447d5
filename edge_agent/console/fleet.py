"""What is known of every node of a broker, from its retained documents."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from edge_agent.mqtt.message import Incoming

__all__ = ["Fleet", "Node"]

_LAST: Final = 8
_DOCUMENTS: Final = ("availability", "status", "heartbeat", "capabilities", "event/", "reply/")


@dataclass
class Node:
    """One node: its documents as they came, and the last things that happened."""

    id: str
    availability: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    heartbeat: dict[str, Any] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)
    happened: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST))
    picture_bytes: int | None = None

    def get(self, *path: str) -> Any:
        """Return a value of `status`, None where it is not there."""
        value: Any = self.status
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def line(self) -> dict[str, Any]:
        """Return the node in one row."""
        problems = self.get("problems")
        return {
            "node": self.id,
            "state": self.availability.get("state", "unknown"),
            "camera": self.get("camera", "state"),
            "driver": self.get("camera", "driver"),
            "stream": self.get("stream", "state"),
            "fps": self.get("stream", "fps"),
            "lux": self.get("camera", "sensor", "lux"),
            "profile": self.get("profile", "active"),
            "cpu_percent": self.heartbeat.get("cpu_percent"),
            "problems": [
                problem.get("code")
                for problem in (problems if isinstance(problems, list) else [])
                if isinstance(problem, dict)
            ],
        }


class Fleet:
    """All nodes under one root."""

    def __init__(self, *, root: str) -> None:
        self._root = root
        self.nodes: dict[str, Node] = {}

    def subscriptions(self) -> list[str]:
        """Return what to read."""
        documents = (
            "availability",
            "status",
            "heartbeat",
            "capabilities",
            "event/+",
            "reply/+",
            "image/latest",
        )
        return [f"{self._root}/+/{document}" for document in documents]

    def take(self, message: Incoming) -> Node | None:
        """Take a message in; return the node that it changed."""
        if not message.topic.startswith(f"{self._root}/"):
            return None
        name, _, document = message.topic[len(self._root) + 1 :].partition("/")
        if document == "image/latest":
            node = self._node(name)
            node.picture_bytes = len(message.payload)
            return node
        try:
            content = json.loads(message.payload)
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict):
            return None
        if not document.startswith(_DOCUMENTS):
            return None
        node = self._node(name)
        if document in ("availability", "status", "heartbeat", "capabilities"):
            setattr(node, document, content)
        elif document.startswith("event/"):
            node.happened.append(_event_text(document.removeprefix("event/"), content))
        elif document.startswith("reply/"):
            node.happened.append(_reply_text(content))
        return node

    def _node(self, name: str) -> Node:
        return self.nodes.setdefault(name, Node(name))


def _time(content: dict[str, Any]) -> str:
    return str(content.get("time", ""))[11:19]


def _event_text(kind: str, content: dict[str, Any]) -> str:
    details = ", ".join(
        f"{key}={value}"
        for key, value in content.items()
        if key not in {"event_type", "time", "sha256", "id"} and value is not None
    )
    return f"{_time(content)}  {kind}: {content.get('event_type')}  {details}"


def _reply_text(content: dict[str, Any]) -> str:
    error = content.get("error")
    what = error.get("message") if isinstance(error, dict) else json.dumps(content.get("applied") or {})
    return f"{_time(content)}  {content.get('command')} -> {content.get('state')}  {what}"
