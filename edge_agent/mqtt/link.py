"""The link to the broker: connects for ever, and says how that goes.

For each connection, in this order: a new epoch and a will with it, CONNECT, every subscription with its
answer checked, and the owner's birth, in which it publishes all that should be retained. Only then is the
link online. Nothing of an earlier connection is sent but replies and events that are still good.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from edge_agent.clock import Clock
from edge_agent.errors import LinkError
from edge_agent.mqtt.attempts import Attempts
from edge_agent.mqtt.birth import BIRTH_TIMEOUT_S, give_birth
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.deliveries import Deliveries
from edge_agent.mqtt.endings import Endings, Rest
from edge_agent.mqtt.limits import SizeGuard
from edge_agent.mqtt.message import Incoming, Outgoing, check_outgoing
from edge_agent.mqtt.outages import Outages
from edge_agent.mqtt.outbox import Outbox
from edge_agent.mqtt.protocol import ProtocolChoice
from edge_agent.mqtt.session import Session
from edge_agent.mqtt.status import LinkState, LinkStatus
from edge_agent.turns import Turns

__all__ = ["Link"]

logger = logging.getLogger(__name__)

_WINDOW: Final = 16
_STOP_TIMEOUT_S: Final = 3.0
_PROBE_TIMEOUT_S: Final = 2.0
_TICKS_WITHIN_S: Final = 5.0
_MAX_DENIED_TOLD: Final = 8


class Link:
    """The connection that comes back. Everything belongs to the event loop's thread.

    `will(epoch)` returns the will of a connection, `epoch` being the milliseconds since 1970 at its start,
    always higher than before; None is for a client without a will. `birth(epoch)` is awaited after the
    subscriptions and publishes. `on_message` is called with everything received, `on_state` with every new
    status; what these raise is logged. A link runs once. `turns` shows whether its own loop goes round.

    Codes of the status: broker_unreachable, broker_closed, connection_lost, broker_silent, dns, tls_failed,
    broker_refused_credentials, broker_refused, broker_disconnected, broker_protocol, protocol_version,
    message_too_large, duplicate_client_id, birth_failed.
    """

    def __init__(
        self,
        *,
        config: MqttConfig,
        client_id: str,
        will: Callable[[int], Outgoing] | None,
        birth: Callable[[int], Awaitable[None]],
        subscriptions: Sequence[str],
        on_message: Callable[[Incoming], None],
        clock: Clock,
        random: Random,
        on_state: Callable[[LinkStatus], None] | None = None,
    ) -> None:
        self._config = config
        self._client_id = config.client_id or client_id
        self._will = will
        self._birth = birth
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._on_state = on_state
        self._clock = clock
        self._outbox = Outbox(clock=clock)
        self._deliveries = Deliveries(config=config)
        self._sizes = SizeGuard(config=config)
        self._protocol = ProtocolChoice(config.protocol)
        self._endings = Endings(
            config=config,
            client_id=self._client_id,
            protocol=self._protocol,
            sizes=self._sizes,
            clock=clock,
            random=random,
        )
        self._outages = Outages(clock=clock)
        self._status = LinkStatus(state="offline", since=clock.now())
        self._session: Session | None = None
        self._worker: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._epoch = 0
        self._connections = 0
        self._rejected = 0
        self._stopping = False
        self._renewing: asyncio.Task[None] | None = None
        self.turns = Turns(clock=clock)

    @property
    def status(self) -> LinkStatus:
        """The present status, its counters up to date."""
        return replace(
            self._status,
            dropped=self._outbox.dropped,
            rejected=self._rejected,
            last_outage=self._outages.last,
            contested=self._endings.contested,
        )

    def also_subscribe(self, filters: Iterable[str]) -> None:
        """Read these, too, from the next connection on."""
        self._subscriptions = tuple(dict.fromkeys((*self._subscriptions, *filters)))

    async def run(self) -> None:
        """Connect and serve, for ever or until `stop`. Cancelling closes at once: the will is published."""
        self._worker = asyncio.create_task(self._keep_connected(), name="mqtt-link")
        try:
            await self._worker
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._stopping or (task is not None and task.cancelling()):
                raise
        finally:
            self.turns.rest()
            self._set("offline", reason="stopped" if self._stopping else None)

    def publish(self, message: Outgoing) -> None:
        """Send `message` now or as soon as can be; never waits.

        Without a connection, states and bulk are forgotten: the next birth is for them. Raises LinkError
        `message_too_large` or `message_invalid`; nothing is queued then.
        """
        check_outgoing(message)
        self._sizes.check(message)
        if self._stopping:
            return
        self._queue(message)

    async def deliver(self, message: Outgoing, *, timeout_s: float = 60.0) -> None:
        """Send a `bulk` message and wait until the broker has it, or with QoS 0 until the network has.

        Raises LinkError where it was not delivered: as `publish` does, and those of `Deliveries`.
        """
        check_outgoing(message)
        self._sizes.check(message)
        if self._session is None or self._stopping:
            raise self._deliveries.refusal(self._status)
        ticket = self._outbox.put(message)
        self._deliveries.expect(ticket, message.topic)
        self._pump()
        try:
            await self._deliveries.wait(ticket, timeout_s=timeout_s)
        finally:
            self._outbox.withdraw(ticket)

    async def flush(self, timeout_s: float) -> bool:
        """Wait until all that was published has been acknowledged. Return whether it has in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def reconnect(self, reason: str) -> None:
        """End the connection properly, without its will, and make a new one at once, with files read anew."""
        session = self._session
        if session is None or session.ended.done() or self._renewing is not None or self._stopping:
            return
        logger.info("the connection to the broker is made anew: %s", reason)
        self._renewing = asyncio.get_running_loop().create_task(session.disconnect(), name="mqtt-reconnect")

    async def stop(self, last: Outgoing | None) -> None:
        """Publish `last`, wait a moment for its acknowledgement, disconnect without a will, end `run`.

        What is published after this call began is ignored, so that `last` is the last word.
        """
        if self._stopping:
            return
        self._stopping = True
        session = self._session
        if session is not None and not session.ended.done():
            if last is not None:
                self._queue(last)
            if not await self.flush(_STOP_TIMEOUT_S):
                logger.warning("the broker did not acknowledge everything before the stop")
            await session.disconnect()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait({self._worker})

    # ---- connecting

    async def _keep_connected(self) -> None:
        attempts = Attempts()
        while not self._stopping:
            wait_s = await self._connect_once(attempts)
            if wait_s > 0:
                self.turns.turn(within_s=wait_s)
                await self._clock.sleep(wait_s)

    async def _connect_once(self, attempts: Attempts) -> float:
        """Have one connection, from beginning to end. Return how long to wait before the next one."""
        epoch = self._next_epoch()
        self.turns.turn(within_s=2 * self._config.connect_timeout_s)
        if self._status.state != "flapping":
            self._set("connecting", reason=self._status.reason, code=self._status.code)
        will = None if self._will is None else self._will(epoch)
        if will is not None:
            check_outgoing(will)
        session = Session(
            config=self._config,
            client_id=self._client_id,
            version=self._protocol.version,
            will=will,
            clock=self._clock,
            on_message=self._receive,
            on_acknowledged=self._acknowledge,
            on_writable=self._pump,
            on_tick=self._ticked,
        )
        try:
            limit_s = self._config.connect_timeout_s
            await session.open(
                attempts,
                consent_timeout_s=min(limit_s, _PROBE_TIMEOUT_S) if self._protocol.probing else limit_s,
            )
        except LinkError as error:
            return self._wait(self._endings.after_failure(error))
        began_s = self._clock.monotonic()
        try:
            end = await self._serve(session, epoch)
        finally:
            under_way = self._outbox.under_way
            self._session = None
            self._outbox.close()
            self._deliveries.ended(session.ended)
            self._pump()
            session.close(LinkError("the link was stopped"))
        renewing, self._renewing = self._renewing, None
        if renewing is not None:
            await asyncio.wait({renewing})
        if self._stopping:
            return 0.0
        if renewing is not None:
            self._protocol.ended()
            self._set("connecting")
            return 0.0
        lasted_s = self._clock.monotonic() - began_s
        return self._wait(self._endings.after_end(end, lasted_s=lasted_s, under_way=under_way))

    async def _serve(self, session: Session, epoch: int) -> LinkError:
        """Serve a connection and return why it ended."""
        try:
            await self._bring_online(session, epoch)
            return await asyncio.shield(session.ended)
        except LinkError as error:
            return error

    async def _bring_online(self, session: Session, epoch: int) -> None:
        self._protocol.worked()
        self._sizes.connected(session.maximum_packet_bytes)
        version = self._protocol.version
        # It is done in parts, each of which may take as long as that; there are never more than topics.
        self.turns.turn(within_s=(1 + len(self._subscriptions)) * self._config.connect_timeout_s)
        denied = await session.subscribe(self._subscriptions)
        if denied:
            logger.warning(
                "the broker denied the subscriptions %s: its access list must allow them to '%s'",
                ", ".join(denied),
                self._client_id,
            )
        self._session = session
        self._outbox.open(window=min(_WINDOW, session.receive_maximum))
        self._connections += 1
        self._status = replace(
            self._status,
            protocol=version,
            reconnects=self._connections - 1,
            session_epoch=epoch,
            denied_subscriptions=denied,
            denied_publishes=(),
            broker_certificate=session.broker_certificate,
        )
        self._outages.over()
        self.turns.turn(within_s=BIRTH_TIMEOUT_S)
        await give_birth(self._birth(epoch), session.ended)
        if session.ended.done():
            return
        logger.info("connected to the broker %s with MQTT %s", self._config.address, version)
        self._endings.online()
        self._set("online")
        self._ticked()
        self._pump()

    def _next_epoch(self) -> int:
        self._epoch = max(self._epoch + 1, int(self._clock.now().timestamp() * 1000))
        return self._epoch

    def _wait(self, rest: Rest | None) -> float:
        if rest is None:
            return 0.0
        error, wait_s = rest.error, rest.wait_s
        self._outages.failed(error)
        attempts = 1 if self._status.state == "online" else self._status.attempts + 1
        if error.code != self._status.code:
            logger.warning("%s; the next attempt is in %.1f s", error.message, wait_s)
        self._set(rest.state, reason=error.message, code=error.code, attempts=attempts)
        return wait_s

    def _set(
        self, state: LinkState, *, reason: str | None = None, code: str | None = None, attempts: int = 0
    ) -> None:
        before = self._status
        connected = state == "online"
        self._status = LinkStatus(
            state=state,
            since=before.since if before.state == state else self._clock.now(),
            reason=reason,
            code=code,
            attempts=before.attempts if state == "connecting" else attempts,
            protocol=before.protocol if connected else None,
            session_epoch=before.session_epoch if connected else None,
            denied_subscriptions=before.denied_subscriptions if connected else (),
            denied_publishes=before.denied_publishes if connected else (),
            reconnects=max(self._connections - 1, 0),
            broker_certificate=before.broker_certificate,
        )
        self._tell()

    def _tell(self) -> None:
        if self._on_state is not None:
            try:
                self._on_state(self.status)
            except Exception:
                logger.exception("a listener to the link's state failed")

    def _ticked(self) -> None:
        # Only online: while it connects, each step has a bound of its own.
        if self._status.state == "online":
            self.turns.turn(within_s=_TICKS_WITHIN_S)
            if self._endings.settled():
                self._tell()

    # ---- messages

    def _receive(self, message: Incoming) -> None:
        try:
            self._on_message(message)
        except Exception:
            logger.exception("handling a message on '%s' failed", message.topic)

    def _queue(self, message: Outgoing) -> None:
        self._deliveries.queued(self._outbox.put(message), message.topic)
        self._pump()

    def _acknowledge(self, ticket: int, accepted: bool) -> None:
        message = self._outbox.acknowledged(ticket)
        self._deliveries.acknowledged(ticket, accepted=accepted)
        if not accepted:
            self._rejected += 1
            if message is not None:
                self._note_denied(message.topic)
        self._pump()

    def _note_denied(self, topic: str) -> None:
        denied = self._status.denied_publishes
        if topic in denied or len(denied) >= _MAX_DENIED_TOLD:
            return
        logger.warning("the broker refused a message on '%s': its access list must allow it", topic)
        self._status = replace(self._status, denied_publishes=(*denied, topic))
        self._tell()

    def _pump(self) -> None:
        session = self._session
        while session is not None and session.writable:
            self._deliveries.flushed()
            entry = self._outbox.take()
            if entry is None:
                break
            try:
                # Again: this broker's limit may not have been known when a reply was queued.
                self._sizes.check(entry.message)
            except LinkError as error:
                logger.warning("%s", error.message)
                self._outbox.acknowledged(entry.ticket)
                self._deliveries.failed(entry.ticket, error)
                continue
            self._sizes.sent(entry.message)
            self._deliveries.sent(entry.ticket, acknowledged=entry.message.qos > 0)
            session.send(entry.message, ticket=entry.ticket, expires_s=self._outbox.remaining_s(entry))
        if self._outbox.idle and (session is None or session.writable):
            self._idle.set()
        else:
            self._idle.clear()
