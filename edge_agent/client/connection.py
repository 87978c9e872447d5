"""The client's connection: sends commands, and hands each answer to whoever waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from edge_agent.client.node import Node
from edge_agent.client.reply import CommandError, NoAnswerError, Reply, Unset
from edge_agent.clock import Clock, SystemClock
from edge_agent.contract.reply import FINAL_STATES
from edge_agent.contract.topics import NODE_ID
from edge_agent.errors import LinkError, RefusedError, suggestion
from edge_agent.mqtt.config import MqttConfig, TlsConfig
from edge_agent.mqtt.link import Link
from edge_agent.mqtt.message import Incoming, Outgoing

__all__ = ["Broker", "connect"]

logger = logging.getLogger(__name__)

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_DOCUMENTS: Final = ("availability", "capabilities", "status", "heartbeat")
# The broker marks no end of what it has kept: all is there when nothing new has come for a moment.
_QUIET_S: Final = 0.2
_SETTLE_ROUNDS: Final = 20


class Broker:
    """A connection to a broker, for the length of an `async with` block.

    It follows the retained documents of all nodes, and every reply; what the broker has kept is there from
    the start. Entering raises LinkError where the broker cannot be reached within `timeout_s`; a connection
    that is lost later comes back by itself.
    """

    def __init__(self, *, config: MqttConfig, timeout_s: float = 10.0, clock: Clock | None = None) -> None:
        self._root = config.root
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._connected = asyncio.Event()
        self._waiting: dict[tuple[str, str], _Wait] = {}
        self._documents: dict[tuple[str, str], Any] = {}
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._link = Link(
            # Its own name: two clients of one name evict each other.
            config=config.model_copy(update={"client_id": None}),
            client_id=f"edge-agent-client-{secrets.token_hex(4)}",
            will=None,
            birth=self._born,
            subscriptions=[f"{config.root}/+/{name}" for name in (*_DOCUMENTS, "reply/+")],
            on_message=self._receive,
            clock=self._clock,
            random=Random(),
        )

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._link.run(), name="client link")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connected.wait()
            await self._settle()
        except asyncio.CancelledError:
            await self.__aexit__(None, None, None)
            raise
        except TimeoutError:
            status = self._link.status
            await self.__aexit__(None, None, None)
            raise LinkError(
                f"no connection to the broker: {status.reason or 'no answer'}", code=status.code
            ) from None
        return self

    async def _settle(self) -> None:
        for _ in range(_SETTLE_ROUNDS):
            known = len(self._documents)
            await self._clock.sleep(_QUIET_S)
            if len(self._documents) == known:
                return

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.stop(None)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def node(self, node_id: str) -> Node:
        """Return a node by its id. Raises RefusedError where that is none; it need not be online."""
        if not NODE_ID.fullmatch(node_id):
            raise RefusedError(f"'{node_id[:64]}' is no node's id: a-z, 0-9, _ and -", field="node")
        return Node(node_id=node_id, broker=self)

    @property
    def nodes(self) -> list[str]:
        """The ids of the nodes that the broker knows of, online or not."""
        return sorted({node for node, name in self._documents if name == "availability"})

    def document(self, node_id: str, name: str) -> Any:
        """Return a node's retained document as last published, None where there is none."""
        return self._documents.get((node_id, name))

    async def wait_document(
        self, node_id: str, name: str, accept: Callable[[Any], bool], *, timeout_s: float
    ) -> Any:
        """Return a node's document as soon as `accept` takes it. Raises NoAnswerError when it does not."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while True:
                    document = self.document(node_id, name)
                    if document is not None and accept(document):
                        return document
                    await self._changed.wait()
        except TimeoutError:
            raise NoAnswerError(
                f"'{node_id}' did not come to that within {timeout_s:g} s", field=name
            ) from None

    async def send(
        self,
        node_id: str,
        command: str,
        arguments: Mapping[str, Any],
        *,
        wait_s: float = 30.0,
        on_progress: Callable[[float], None] | None = None,
        **envelope: Any,
    ) -> Reply:
        """Send a command and return its outcome. Raises CommandError, NoAnswerError or LinkError."""
        identity = str(envelope.pop("id", None) or f"client-{secrets.token_hex(8)}")
        document = {name: value for name, value in arguments.items() if not isinstance(value, Unset)}
        document.update({name: value for name, value in envelope.items() if value})
        wait = _Wait(on_progress)
        self._waiting[node_id, identity] = wait
        payload = json.dumps({**document, "id": identity, "ttl_s": wait_s}, default=str).encode()
        try:
            self._link.publish(
                Outgoing(topic=f"{self._root}/{node_id}/cmd/{command}", payload=payload, kind="reply")
            )
            async with asyncio.timeout(wait_s):
                return _outcome(await wait.answer)
        except TimeoutError:
            raise NoAnswerError(
                f"no outcome of '{command}' from '{node_id}' within {wait_s:g} s: {self._why(node_id, wait)}",
            ) from None
        finally:
            del self._waiting[node_id, identity]

    def _why(self, node_id: str, wait: _Wait) -> str:
        if wait.last_state is not None:
            return f"it was last '{wait.last_state}'"
        said = self.document(node_id, "availability")
        if said is None:
            return f"the broker knows no such node{suggestion(node_id, self.nodes)}"
        return "it did not answer" if said.get("state") == "online" else f"it is {said.get('state')}"

    async def _born(self, _epoch: int) -> None:
        self._connected.set()

    def _receive(self, message: Incoming) -> None:
        node, _, name = message.topic.removeprefix(f"{self._root}/").partition("/")
        try:
            document = json.loads(message.payload) if message.payload else None
        except ValueError:
            document = message.payload
        if document is not None and not isinstance(document, dict):
            logger.warning("What came on %s is no JSON object", message.topic)
            return
        if name.startswith("reply/"):
            if document is not None and (wait := self._waiting.get((node, str(document.get("id"))))):
                wait.take(document)
            return
        if document is None:
            self._documents.pop((node, name), None)
        else:
            self._documents[node, name] = document
        task = asyncio.get_running_loop().create_task(self._notify())
        task.add_done_callback(lambda _done: None)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class _Wait:
    """Somebody who waits for an answer."""

    def __init__(self, on_progress: Callable[[float], None] | None) -> None:
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.last_state: str | None = None
        self._on_progress = on_progress

    def take(self, document: dict[str, Any]) -> None:
        self.last_state = str(document.get("state"))
        if self.last_state in FINAL_STATES:
            if not self.answer.done():
                self.answer.set_result(document)
        elif self._on_progress is not None and document.get("progress") is not None:
            self._on_progress(float(document["progress"]))


def _outcome(document: dict[str, Any]) -> Reply:
    error = document.get("error")
    if document["state"] != "done":
        said = error if isinstance(error, dict) else {}
        raise CommandError(
            str(said.get("message") or document["state"]),
            code=str(said.get("code") or document["state"]),
            field=said.get("field"),
            value=said.get("value"),
            allowed=said.get("allowed"),
        )
    return Reply(
        id=str(document["id"]),
        command=str(document["command"]),
        applied=document.get("applied") or {},
        clamped=tuple(document.get("clamped") or ()),
        result=document.get("result") or {},
        duration_ms=document.get("duration_ms"),
    )


def connect(
    url: str = "mqtt://localhost", *, root: str = "edge/v1", ca: str | None = None, timeout_s: float = 10.0
) -> AbstractAsyncContextManager[Broker]:
    """Return a connection to `mqtt[s]://[user:password@]host[:port]`. Raises RefusedError for another URL."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise RefusedError("a broker's URL is like mqtt://user:password@host:1883", field="url")
    fields: dict[str, Any] = {
        "host": parts.hostname,
        "port": parts.port or _PORTS[parts.scheme],
        "root": root,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
    }
    if parts.scheme == "mqtts" or ca is not None:
        fields["tls"] = TlsConfig(ca=Path(ca) if ca else None)
    return Broker(config=MqttConfig(**fields), timeout_s=timeout_s)
