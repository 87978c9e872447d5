"""`edge-agent send`: one command to one node, its answers, and an exit code by the outcome."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.console.observer import Observer
from edge_agent.contract.reply import FINAL_STATES
from edge_agent.errors import RefusedError
from edge_agent.mqtt.config import MqttConfig

__all__ = ["EXIT_CODES", "NO_ANSWER", "arguments_of", "send"]

EXIT_CODES: Final = {"done": 0, "failed": 1, "rejected": 2, "expired": 3}
NO_ANSWER: Final = 4


def arguments_of(words: Sequence[str]) -> Any:
    """Return what the words of the command line mean: `key=value` pairs, one JSON object, or one bare value.

    A value is JSON where it can be, else text. Raises RefusedError where the words do not fit together.
    """
    if not words:
        return {}
    if all("=" in word and not word.startswith("{") for word in words):
        pairs = (word.partition("=") for word in words)
        return {key: _value(text) for key, _, text in pairs}
    if len(words) == 1:
        return _value(words[0])
    raise RefusedError(
        "arguments are key=value pairs, one JSON object, or one bare value, as in: "
        "exposure time_us=10000 gain=2, or: framerate 25",
        code="invalid_arguments",
        value=" ".join(words),
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


async def send(
    *,
    config: MqttConfig,
    node: str,
    command: str,
    payload: Any,
    main: str | None,
    flags: dict[str, Any],
    timeout_s: float,
    clock: Clock,
    tell: Callable[[dict[str, Any]], None],
) -> dict[str, Any] | None:
    """Publish the command and return its last reply, None where none came in time.

    `tell` is called with every reply on the way. A bare value is sent as the `main` argument, so that the
    command can carry an id. Raises LinkError where there is no broker.
    """
    base = f"{config.root}/{node}"
    identity = f"cli-{secrets.token_hex(6)}"
    document = payload if isinstance(payload, dict) else {main or "value": payload}
    async with Observer(config=config, subscriptions=[f"{base}/reply/{command}"], clock=clock) as observer:
        await observer.connected(min(timeout_s, 10.0))
        observer.send(f"{base}/cmd/{command}", {**document, "id": identity, **flags})
        try:
            async with asyncio.timeout(timeout_s):
                async for message in observer.messages():
                    reply = _reply(message.payload)
                    if reply.get("id") != identity:
                        continue
                    if reply.get("state") in FINAL_STATES:
                        return reply
                    tell(reply)
        except TimeoutError:
            return None
    return None


def _reply(payload: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(payload)
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}
