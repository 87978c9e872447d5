"""What follows a failed attempt, or a connection's end: in which state to wait, why, and for how long."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from edge_agent.clock import Clock
from edge_agent.errors import LinkError, LinkRefusedError
from edge_agent.mqtt.backoff import Backoff, FlapDetector
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.limits import SizeGuard
from edge_agent.mqtt.message import Outgoing
from edge_agent.mqtt.protocol import ProtocolChoice
from edge_agent.mqtt.status import LinkState

__all__ = ["Endings", "Rest"]

logger = logging.getLogger(__name__)

_YOUNG_S: Final = 5.0
_BY_THE_BROKER: Final = frozenset({"connection_lost", "broker_disconnected", "message_too_large"})


@dataclass(frozen=True, slots=True)
class Rest:
    """How to wait."""

    state: LinkState
    error: LinkError
    wait_s: float


class Endings:
    """Judges each end by what came before it.

    `contested` says that another client takes the identity, from the first sign of it until a connection
    has lasted: a short one is only the other one's pause.
    """

    def __init__(
        self,
        *,
        config: MqttConfig,
        client_id: str,
        protocol: ProtocolChoice,
        sizes: SizeGuard,
        clock: Clock,
        random: Random,
    ) -> None:
        self._address = config.address
        self._client_id = client_id
        self._protocol = protocol
        self._sizes = sizes
        self._clock = clock
        self._backoff = Backoff(config=config.backoff, random=random)
        self._flapping = FlapDetector(short_s=_YOUNG_S)
        self._stable_s = config.backoff.stable_s
        self._online_since_s = 0.0
        self.contested: str | None = None

    def online(self) -> None:
        """Note that a connection has begun."""
        self._online_since_s = self._clock.monotonic()

    def settled(self) -> bool:
        """Whether the present connection has just lasted long enough to end a contest."""
        if self.contested is None or self._clock.monotonic() - self._online_since_s < self._stable_s:
            return False
        self.contested = None
        return True

    def after_failure(self, error: LinkError) -> Rest | None:
        """Judge an attempt that came to nothing; None is to try again at once, in another way."""
        if error.code == "protocol_version" and self._protocol.refused():
            logger.info("the broker %s has no MQTT 5, trying 3.1.1", self._address)
            return None
        if error.code == "broker_closed" and self._protocol.closed():
            return None
        if error.code == "broker_silent" and self._protocol.silent():
            return None
        if isinstance(error, LinkRefusedError):
            return Rest("refused", error, self._backoff.after_refusal())
        return Rest("backing_off", error, self._backoff.after_failure())

    def after_end(self, error: LinkError, *, lasted_s: float, under_way: Sequence[Outgoing]) -> Rest:
        """Judge a connection that was; `under_way` had not been acknowledged."""
        self._protocol.ended()
        if error.code == "duplicate_client_id":
            return self._fight(error)
        if error.code in _BY_THE_BROKER:
            limit = self._sizes.ended(young=lasted_s < _YOUNG_S, under_way=under_way)
            flapping = self._flapping.ended(now_s=self._clock.monotonic(), lasted_s=lasted_s)
            # After long waits one that is cut short is enough: the other one is still there.
            flapping = flapping or (self.contested is not None and lasted_s < _YOUNG_S)
            if limit is not None:
                self._flapping.forget()
                error = LinkError(
                    f"the broker {self._address} closes on messages over {limit} bytes; "
                    "none is sent to it any more",
                    code="message_too_large",
                )
            elif flapping:
                error = LinkError(
                    f"the broker {self._address} ends each connection seconds after it began; "
                    f"probably another client has the client id '{self._client_id}'; "
                    "give each node its own node.id",
                    code="duplicate_client_id",
                )
                return self._fight(error)
        return Rest("backing_off", error, self._backoff.after_failure(lasted_s=lasted_s))

    def _fight(self, error: LinkError) -> Rest:
        self.contested = error.message
        return Rest("flapping", error, self._backoff.after_takeover())
