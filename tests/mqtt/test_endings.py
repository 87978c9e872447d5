"""A contest for the identity: seen by its pattern at first, by the first sign of it from then on."""

from __future__ import annotations

from random import Random

from edge_agent.errors import LinkError
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.endings import Endings
from edge_agent.mqtt.limits import SizeGuard
from edge_agent.mqtt.protocol import ProtocolChoice
from tests.mqtt.support import FakeClock


def test_after_a_contest_one_short_connection_is_enough_until_one_has_lasted() -> None:
    clock, config = FakeClock(), MqttConfig()
    endings = Endings(
        config=config,
        client_id="node",
        protocol=ProtocolChoice("auto"),
        sizes=SizeGuard(config=config),
        clock=clock,
        random=Random(1),
    )

    def lived(seconds: float) -> str:
        endings.online()
        clock.seconds += seconds
        lost = LinkError("lost", code="connection_lost")
        return endings.after_end(lost, lasted_s=seconds, under_way=()).state

    assert [lived(1.0) for _ in range(3)] == ["backing_off", "backing_off", "flapping"]
    clock.seconds += config.backoff.flapping_max_s
    assert lived(1.0) == "flapping"
    endings.online()
    clock.seconds += config.backoff.stable_s - 1
    assert not endings.settled()
    clock.seconds += 1
    assert endings.settled()
    assert endings.contested is None
    assert not endings.settled()
    clock.seconds += 60
    assert lived(1.0) == "backing_off"
