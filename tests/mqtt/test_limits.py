from __future__ import annotations

import pytest

from edge_agent.errors import LinkError
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.limits import SizeGuard
from edge_agent.mqtt.message import Outgoing


def guard() -> SizeGuard:
    return SizeGuard(config=MqttConfig(max_message_bytes=5000, max_image_bytes=20_000))


def status(size: int) -> Outgoing:
    return Outgoing(topic="n/status", payload=bytes(size))


def test_the_lowest_limit_counts() -> None:
    sizes = guard()
    image = Outgoing(topic="n/image", payload=bytes(10_000), kind="bulk", qos=0)
    sizes.check(image)
    assert sizes.limit_for(status(1)) == 5000
    sizes.connected(2000)
    with pytest.raises(LinkError, match="for 'n/image' has 10028 bytes, the limit is 2000") as caught:
        sizes.check(image)
    assert (caught.value.code, caught.value.value, caught.value.allowed) == (
        "message_too_large",
        10_028,
        2000,
    )
    sizes.connected(None)
    sizes.check(image)


def test_three_young_ends_with_the_same_large_message_teach_the_limit() -> None:
    sizes = guard()
    lessons = [sizes.ended(young=True, under_way=[status(10), status(4000)]) for _ in range(3)]
    assert lessons == [None, None, 4028]
    with pytest.raises(LinkError, match="has 4029 bytes, the limit is 4028"):
        sizes.check(status(4000))
    sizes.check(status(3999))


def test_an_end_with_nothing_large_under_way_breaks_the_row() -> None:
    sizes = guard()
    for under_way in ([status(4000)], [status(4000)], [status(10)], [status(4000)]):
        assert sizes.ended(young=True, under_way=under_way) is None
    assert sizes.ended(young=False, under_way=[status(4000)]) is None
    assert sizes.limit_for(status(1)) == 5000


def test_an_image_that_nobody_acknowledges_is_suspected_too() -> None:
    sizes = guard()
    image = Outgoing(topic="n/image", payload=bytes(10_000), kind="bulk", qos=0)
    for lesson in (None, None, 10_027):
        sizes.connected(None)
        sizes.sent(image)
        assert sizes.ended(young=True, under_way=[]) == lesson
