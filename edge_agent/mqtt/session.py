"""One connection to a broker, from CONNECT to its end, on paho: which only this module and the dialer know.

A session is used once. paho keeps unacknowledged messages and sends them again after a reconnect, however
old they are; a client that never reconnects cannot. paho's callbacks only take notes, which are delivered
after paho has returned, so that whatever they lead to may publish and write at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.clock import Clock
from edge_agent.errors import LinkError
from edge_agent.mqtt.attempts import Attempts
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.dialer import Dialer
from edge_agent.mqtt.message import Incoming, Outgoing
from edge_agent.mqtt.protocol import Version
from edge_agent.mqtt.reasons import connack_error, disconnect_error, network_error
from edge_agent.mqtt.validity import Validity
from edge_agent.pulse import until_pulse_s

__all__ = ["Session"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FILTERS_A_SUBSCRIBE: Final = 8  # some brokers take no more
_ACKNOWLEDGE_TIMEOUT_S: Final = 60.0
_DISCONNECT_TIMEOUT_S: Final = 1.0
_READS_AT_ONCE: Final = 64


class Session:
    """One connection. All methods belong to the event loop's thread.

    `on_message` is called for each message, `on_acknowledged(ticket, accepted)` for each acknowledged
    publish, `on_writable` when a session that was not `writable` is again; none may raise. `ended` is
    a future that gets the LinkError that says why the connection is over. `on_tick` is called about once a
    second while the session lives.
    """

    def __init__(
        self,
        *,
        config: MqttConfig,
        client_id: str,
        version: Version,
        will: Outgoing | None,
        clock: Clock,
        on_message: Callable[[Incoming], None],
        on_acknowledged: Callable[[int, bool], None],
        on_writable: Callable[[], None],
        on_tick: Callable[[], None] | None = None,
    ) -> None:
        self._config = config
        self._client_id = client_id
        self._clock = clock
        self._on_message = on_message
        self._on_acknowledged = on_acknowledged
        self._on_writable = on_writable
        self._on_tick = on_tick
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[LinkError] = self._loop.create_future()
        self.receive_maximum = 65_535
        self.maximum_packet_bytes: int | None = None
        self._five = version == "5"
        self._dialer = Dialer(config=config, client_id=client_id, version=version, will=will)
        self._client = self._dialer.client
        self._connack: asyncio.Future[tuple[ReasonCode, Properties]] = self._loop.create_future()
        self._subacks: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._under_way: dict[int, tuple[int, float]] = {}
        self._acknowledgements: deque[tuple[int, bool]] = deque()
        self._messages: deque[Incoming] = deque()
        self._disconnected: str | None = None
        self._descriptor: int | None = None
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._heard_s = clock.monotonic()

    # ---- life

    async def open(self, attempts: Attempts, *, consent_timeout_s: float) -> None:
        """Connect and wait for the broker's CONNACK. Raises LinkError; the session is closed then."""
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                await attempts.run(self._dialer.dial)
            self._attach()
            reason, properties = await self._consent(consent_timeout_s)
        except (OSError, ValueError) as error:
            failure = network_error(self._config, error, looked_up=self._dialer.looked_up)
            self.close(failure)
            raise failure from error
        except BaseException:
            self.close(LinkError("the connection was given up"))
            raise
        if reason.is_failure:
            refusal = connack_error(
                self._config, client_id=self._client_id, value=reason.value, name=reason.getName()
            )
            self.close(refusal)
            raise refusal
        self.maximum_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self.receive_maximum = getattr(properties, "ReceiveMaximum", 65_535)

    async def subscribe(self, filters: Sequence[str]) -> tuple[str, ...]:
        """Subscribe with QoS 1 and return what the broker denied. Raises LinkError without an answer."""
        denied: list[str] = []
        for start in range(0, len(filters), _FILTERS_A_SUBSCRIBE):
            part = filters[start : start + _FILTERS_A_SUBSCRIBE]
            try:
                async with asyncio.timeout(self._config.connect_timeout_s):
                    reasons = await self._answer(self._subscribe(part))
            except TimeoutError as error:
                raise LinkError(f"the broker {self._config.address} did not answer a subscription") from error
            denied += [topic for topic, reason in zip(part, reasons, strict=False) if reason.is_failure]
            denied += part[len(reasons) :]
        return tuple(denied)

    async def disconnect(self) -> None:
        """End the connection properly: the broker discards the will. Waits a second at most."""
        if not self.ended.done():
            self._call(self._client.disconnect)
            await asyncio.wait({self.ended}, timeout=_DISCONNECT_TIMEOUT_S)
        self.close(LinkError("disconnected"))

    def close(self, error: LinkError) -> None:
        """Close the socket at once, whatever the state: the broker publishes the will."""
        if self._timer is not None:
            self._timer.cancel()
        self._detach()
        client = self._client
        client.on_connect = client.on_subscribe = client.on_publish = None
        client.on_message = client.on_disconnect = client.on_socket_close = None
        self._dialer.abandon()
        if not self.ended.done():
            self.ended.set_result(error)

    @property
    def broker_certificate(self) -> Validity | None:
        """How long the certificate is good that the broker has shown, None without TLS."""
        return self._dialer.broker_certificate

    # ---- sending

    @property
    def writable(self) -> bool:
        """Whether a message would go straight to the network."""
        return self._descriptor is not None and not self._client.want_write()

    def send(self, message: Outgoing, *, ticket: int, expires_s: float | None) -> None:
        """Send at once. Where that fails `ended` tells; what has QoS 1 is acknowledged by its `ticket`."""
        properties: Properties | None = None
        if self._five and (expires_s is not None or message.correlation_data is not None):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if expires_s is not None:
                properties.MessageExpiryInterval = max(1, round(expires_s))
            if message.correlation_data is not None:
                properties.CorrelationData = message.correlation_data

        def publish() -> None:
            info = self._client.publish(
                message.topic, message.payload, message.qos, message.retain, properties=properties
            )
            if message.qos:
                self._under_way[info.mid] = (ticket, self._clock.monotonic())

        self._call(publish)

    # ---- connecting

    def _attach(self) -> None:
        connected = self._client.socket()
        if connected is None:
            self._settle()
            return
        client = self._client
        client.on_connect = self._note_connack
        client.on_subscribe = self._note_suback
        client.on_publish = self._note_acknowledgement
        client.on_message = self._note_message
        client.on_disconnect = self._note_disconnect
        client.on_socket_close = lambda *_: self._detach()
        self._descriptor = connected.fileno()
        self._loop.add_reader(self._descriptor, self._read)
        self._heard_s = self._clock.monotonic()
        self._tick()

    def _detach(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._descriptor = None
            self._writing = False

    # ---- what the event loop calls

    def _read(self) -> None:
        self._heard_s = self._clock.monotonic()
        for _ in range(_READS_AT_ONCE):
            self._call(self._client.loop_read)
            self._deliver()
            # TLS may hold decrypted bytes that no selector sees.
            pending = getattr(self._client.socket(), "pending", None)
            if self.ended.done() or pending is None or not pending():
                return
        self._loop.call_soon(self._read_again)

    def _read_again(self) -> None:
        if not self.ended.done():
            self._read()

    def _write(self) -> None:
        self._call(self._client.loop_write)
        if self.writable:
            self._on_writable()

    def _tick(self) -> None:
        # Twice a pause is paho's own rule; half a keepalive for the answer to a ping is enough.
        keepalive_s = self._client.keepalive
        if self._on_tick is not None:
            self._on_tick()
        pause_s = until_pulse_s(self._loop.time(), min(1.0, self._config.keepalive_s / 10))
        self._timer = self._loop.call_later(pause_s, self._tick)
        now_s = self._clock.monotonic()
        oldest_s = next((sent_s for _, sent_s in self._under_way.values()), now_s)
        silence = None
        if keepalive_s and self._connack.done() and now_s - self._heard_s > 1.5 * keepalive_s - 1:
            silence = f"has been silent for {now_s - self._heard_s:.0f} s"
        elif now_s - oldest_s > _ACKNOWLEDGE_TIMEOUT_S:
            silence = f"has not acknowledged a message for {now_s - oldest_s:.0f} s"
        if silence is not None:
            self.close(LinkError(f"the broker {self._config.address} {silence}", code="broker_silent"))
            return
        self._call(self._client.loop_misc)

    def _call(self, operation: Callable[[], object]) -> None:
        try:
            operation()
        except Exception as error:  # noqa: BLE001  decoding nonsense raises whatever it hit first
            logger.warning("the broker %s sent nonsense: %r", self._config.address, error)
            self.close(
                LinkError(
                    f"the broker {self._config.address} broke the protocol: {error}", code="broker_protocol"
                )
            )
            return
        self._settle()

    def _settle(self) -> None:
        if self.ended.done():
            return
        if self._client.socket() is None:
            self.close(self._why())
            return
        if self._descriptor is not None and self._writing != self._client.want_write():
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self._descriptor, self._write)
            else:
                self._loop.remove_writer(self._descriptor)

    def _deliver(self) -> None:
        while self._acknowledgements:
            self._on_acknowledged(*self._acknowledgements.popleft())
        while self._messages:
            self._on_message(self._messages.popleft())

    # ---- paho's callbacks: they hold paho's lock, so they only take notes

    def _note_connack(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, properties: Any
    ) -> None:
        if not self._connack.done():
            self._connack.set_result((reason, properties))

    def _note_suback(
        self, _client: object, _data: object, mid: int, reasons: list[ReasonCode], _props: object
    ) -> None:
        waiting = self._subacks.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(reasons)

    def _note_acknowledgement(
        self, _client: object, _data: object, mid: int, reason: ReasonCode, _properties: object
    ) -> None:
        ticket, _ = self._under_way.pop(mid, (None, 0.0))
        if ticket is not None:
            self._acknowledgements.append((ticket, not reason.is_failure))

    def _note_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            logger.warning("a message on a topic that is not UTF-8 was ignored")
            return
        properties = message.properties
        self._messages.append(
            Incoming(
                topic=topic,
                payload=bytes(message.payload),
                retain=bool(message.retain),
                qos=message.qos,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation_data=getattr(properties, "CorrelationData", None),
                expires_s=getattr(properties, "MessageExpiryInterval", None),
            )
        )

    def _note_disconnect(
        self,
        _client: object,
        _data: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._disconnected = reason.getName() if reason.value else "it gave no reason"

    # ---- answers

    def _subscribe(self, filters: Sequence[str]) -> asyncio.Future[list[ReasonCode]]:
        answer: asyncio.Future[list[ReasonCode]] = self._loop.create_future()

        def subscribe() -> None:
            wanted: Any = [(topic, 1) for topic in filters]
            if self._five:
                # As published: a command that was sent with the retain flag can be told, and refused.
                wanted = [(topic, SubscribeOptions(qos=1, retainAsPublished=True)) for topic in filters]
            _, mid = self._client.subscribe(wanted)
            if mid is not None:
                self._subacks[mid] = answer

        self._call(subscribe)
        return answer

    async def _consent(self, timeout_s: float) -> tuple[ReasonCode, Properties]:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer(self._connack)
        except TimeoutError as error:
            raise LinkError(
                f"the broker {self._config.address} takes connections, but did not answer "
                f"within {timeout_s:g} s; is this the right port?",
                code="broker_silent",
            ) from error

    async def _answer(self, future: asyncio.Future[T]) -> T:
        either: tuple[asyncio.Future[Any], ...] = (future, self.ended)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise self.ended.result()
        return future.result()

    def _why(self) -> LinkError:
        address = self._config.address
        if self._disconnected is not None:
            return disconnect_error(
                self._config,
                client_id=self._client_id,
                value=self._client.told_reason,
                name=self._disconnected,
            )
        detail = f": {self._dialer.last_error}" if self._dialer.last_error else ""
        if self._connack.done():
            return LinkError(
                f"the connection to the broker {address} was lost{detail}", code="connection_lost"
            )
        if self._config.tls is not None and "ssl" in detail.lower():
            return LinkError(
                f"the broker {address} refused the TLS connection{detail}; "
                "check mqtt.tls.cert and mqtt.tls.key",
                code="tls_failed",
            )
        if self._config.tls is None:
            hint = "does this port speak MQTT, and does it want TLS?"
        else:
            # With TLS 1.3 a refused certificate's alert can be lost to the reset that follows it.
            hint = "does this port speak MQTT, and does it want a client certificate (mqtt.tls.cert)?"
        return LinkError(
            f"the broker {address} closed the connection without an answer{detail}; {hint}",
            code="broker_closed",
        )
