"""One node, as a script sees it: its commands as methods, and what it last said of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge_agent.client.commands import NodeCommands
from edge_agent.client.reply import Reply

__all__ = ["Node"]


class _Broker(Protocol):
    """What a node needs of its connection."""

    async def send(
        self, node_id: str, command: str, arguments: Mapping[str, Any], **envelope: Any
    ) -> Reply: ...

    def document(self, node_id: str, name: str) -> Any: ...

    async def wait_document(
        self, node_id: str, name: str, accept: Callable[[Any], bool], *, timeout_s: float
    ) -> Any: ...


class Node(NodeCommands):
    """A node. Every command is a method; a refused or failed one raises CommandError."""

    def __init__(self, *, node_id: str, broker: _Broker) -> None:
        self.id = node_id
        self._broker = broker

    async def send(self, command: str, arguments: Mapping[str, Any], /, **envelope: Any) -> Reply:
        """Send any command by its name. Raises CommandError, NoAnswerError or LinkError."""
        return await self._broker.send(self.id, command, arguments, **envelope)

    @property
    def online(self) -> bool:
        """Whether it is, as far as the broker knows."""
        return (self._broker.document(self.id, "availability") or {}).get("state") == "online"

    @property
    def status(self) -> Any:
        """`status` as last published; None where there is none."""
        return self._broker.document(self.id, "status")

    @property
    def capabilities(self) -> Any:
        """`capabilities` as last published; None where there are none."""
        return self._broker.document(self.id, "capabilities")

    @property
    def heartbeat(self) -> Any:
        """`heartbeat` as last published; None where there is none."""
        return self._broker.document(self.id, "heartbeat")

    async def wait_online(self, *, timeout_s: float = 30.0) -> None:
        """Wait until it is online. Raises NoAnswerError."""
        await self._broker.wait_document(
            self.id, "availability", lambda said: said.get("state") == "online", timeout_s=timeout_s
        )

    async def wait_status(self, accept: Callable[[Any], bool], *, timeout_s: float = 30.0) -> Any:
        """Return `status` as soon as `accept` takes it. Raises NoAnswerError when it does not."""
        return await self._broker.wait_document(self.id, "status", accept, timeout_s=timeout_s)
