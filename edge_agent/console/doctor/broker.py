"""The broker: reachable, let in, safely, and with the rights that an agent needs."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.config import Configuration
from edge_agent.console.doctor.finding import Finding, failed, ok, warned
from edge_agent.console.observer import Observer
from edge_agent.contract.topics import Topics
from edge_agent.errors import LinkError, StorageError
from edge_agent.mqtt.status import LinkStatus
from edge_agent.mqtt.validity import Validity
from edge_agent.security.certificates import first_to_expire
from edge_agent.security.feature import is_loopback

__all__ = ["BrokerView", "broker_findings", "look_at_broker"]

_CONNECT_S: Final = 8.0
_ANSWERS_S: Final = 2.0
_ADVICE: Final = {
    "broker_refused_credentials": "compare mqtt.username and mqtt.password with the broker's password file",
    "broker_refused": "the broker's own log says why",
    "tls_failed": "compare mqtt.tls.ca with the broker's certificate, and mqtt.host with the names in it",
    "dns": "is mqtt.host spelled right, and does this machine have a name server?",
    "broker_closed": "does this port want TLS (mqtt.tls), or a client certificate?",
    "broker_silent": "is mqtt.port the port of the broker?",
}


@dataclass(kw_only=True)
class BrokerView:
    """What a connection showed. `agent` is the state in `availability`, None where there is none."""

    error: LinkError | None = None
    link: LinkStatus | None = None
    agent: str | None = None
    status: dict[str, Any] = field(default_factory=dict)
    heard_itself: bool = False
    test_topic: str = ""


async def look_at_broker(
    configuration: Configuration, *, clock: Clock, connect_s: float = _CONNECT_S
) -> BrokerView:
    """Connect under a name of its own, read what is retained, send a message to oneself. Changes nothing."""
    node = configuration.node
    topics = Topics(root=configuration.mqtt.root, node=node.id, groups=node.groups)
    view = BrokerView(test_topic=topics.event("doctor"))
    nonce = secrets.token_hex(8)
    wanted = [*topics.subscriptions(), topics.status, view.test_topic]
    async with Observer(config=configuration.mqtt, subscriptions=wanted, clock=clock) as observer:
        try:
            await observer.connected(connect_s)
        except LinkError as error:
            view.error = error
            return view
        observer.send(view.test_topic, {"event_type": "tested", "nonce": nonce})
        try:
            async with asyncio.timeout(_ANSWERS_S):
                async for message in observer.messages():
                    document = _object(message.payload)
                    if message.topic == topics.availability:
                        view.agent = str(document.get("state"))
                    elif message.topic == topics.status:
                        view.status = document
                    elif message.topic == view.test_topic:
                        view.heard_itself |= document.get("nonce") == nonce
        except TimeoutError:
            pass
        view.link = observer.link
    return view


def _object(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def broker_findings(configuration: Configuration, view: BrokerView, *, now: datetime) -> Iterator[Finding]:
    """Yield what the connection showed."""
    mqtt = configuration.mqtt
    if view.error is not None or view.link is None:
        code = view.error.code if view.error else ""
        message = view.error.message if view.error else "no connection"
        check = {"broker_refused_credentials": "credentials", "tls_failed": "TLS"}.get(code, "broker")
        yield failed(
            check,
            message,
            _ADVICE.get(code, f"does a broker run at {mqtt.address}, and let this machine in?"),
        )
    else:
        yield from _protocol(mqtt.address, view.link)
        yield from _credentials(configuration)
        yield from _rights(configuration, view, view.link)
    yield from _tls(configuration, view.link, now=now)


def _protocol(address: str, link: LinkStatus) -> Iterator[Finding]:
    if link.protocol == "5":
        yield ok("broker", f"{address} answers, with MQTT 5")
    else:
        yield warned(
            "broker",
            f"{address} answers, with MQTT {link.protocol} only: what it denies, it denies without a word",
            "use a broker with MQTT 5, like mosquitto 2, and mqtt.protocol: auto",
        )


def _credentials(configuration: Configuration) -> Iterator[Finding]:
    mqtt = configuration.mqtt
    if mqtt.username is not None:
        yield ok("credentials", f"'{mqtt.username}' is let in")
    elif mqtt.tls is not None and mqtt.tls.cert is not None:
        yield ok("credentials", "let in by the client certificate")
    elif is_loopback(mqtt.host):
        yield ok("credentials", "let in without any, on this machine")
    else:
        yield warned(
            "credentials",
            "the broker lets everybody in",
            "'allow_anonymous false' and a password for each node; topics/README.md says how",
        )


def _rights(configuration: Configuration, view: BrokerView, link: LinkStatus) -> Iterator[Finding]:
    mend = "mend the broker's access list: topics/acl has one for mosquitto and one for EMQX"
    own = [
        topic for topic in link.denied_subscriptions if topic not in (view.test_topic, _status(configuration))
    ]
    if own:
        yield failed("access list", f"this node may not read {', '.join(own)}", mend)
    if view.test_topic in link.denied_publishes:
        yield failed("access list", f"this node may not write {view.test_topic}", mend)
    elif view.heard_itself:
        yield ok("access list", "a message to itself came back")
    elif not own:
        # The shipped lists let an agent write its events, but not read them.
        yield ok("access list", "nothing that this node needs was denied")
    agents = {"online": "runs", "offline": "has died or lost the broker", "stopped": "was stopped"}
    said = agents.get(view.agent or "", "has not been here yet")
    yield (warned if view.agent == "offline" else ok)(
        "agent",
        f"the agent '{configuration.node.id}' {said}",
        *(("'journalctl -u edge-agent -n 50' says why",) if view.agent == "offline" else ()),
    )


def _status(configuration: Configuration) -> str:
    return Topics(root=configuration.mqtt.root, node=configuration.node.id).status


def _tls(configuration: Configuration, link: LinkStatus | None, *, now: datetime) -> Iterator[Finding]:
    mqtt = configuration.mqtt
    if mqtt.tls is None:
        if is_loopback(mqtt.host):
            yield ok("TLS", "none is needed on this machine")
        else:
            yield warned(
                "TLS",
                f"everything goes to {mqtt.address} in plain text",
                "set mqtt.tls; the broker needs a certificate for that",
            )
        return
    for key, file, first_only in (
        ("mqtt.tls.cert", mqtt.tls.cert, True),
        ("mqtt.tls.ca", mqtt.tls.ca, False),
    ):
        if file is not None:
            yield _certificate(key, file, first_only=first_only, now=now)
    if link is not None and link.broker_certificate is not None:
        yield _good_until(f"the certificate of {mqtt.address}", link.broker_certificate, now)


def _certificate(key: str, file: Path, *, first_only: bool, now: datetime) -> Finding:
    try:
        validity = first_to_expire(file, first_only=first_only)
    except StorageError as error:
        return failed("TLS", f"{key}: {error.message}", "let the agent's user read it")
    if validity is None:
        return failed("TLS", f"{key}: {file} holds no certificate", "it is to be a PEM file")
    return _good_until(f"{key} ({file})", validity, now)


def _good_until(what: str, validity: Validity, now: datetime) -> Finding:
    if validity.ends_at < now:
        return failed("TLS", f"{what} expired on {validity.ends_at:%Y-%m-%d}", "renew it")
    until = f"{what} is good until {validity.ends_at:%Y-%m-%d}"
    return warned("TLS", until, "renew it soon") if validity.ends_soon(now) else ok("TLS", until)
