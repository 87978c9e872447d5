from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_agent.errors import LinkError
from edge_agent.mqtt.message import Outgoing
from tests.brokers import Mosquitto
from tests.mqtt.support import Observer, Owner, until


def bulk(topic: str, size: int, *, qos: int = 1) -> Outgoing:
    return Outgoing(topic=topic, payload=bytes(size), qos=qos, kind="bulk")


@pytest.mark.parametrize("qos", [0, 1])
async def test_what_was_delivered_has_arrived(mosquitto: Mosquitto, qos: int) -> None:
    async with Observer(mosquitto.port) as observer, Owner(port=mosquitto.port) as owner:
        await owner.online()
        for number in range(3):
            await owner.link.deliver(bulk(f"n/image/{number}", 3_000_000, qos=qos))
        await until(lambda: len(observer.topics()) == 6, "three messages of the birth and three images")
        assert [(m.topic, len(m.payload)) for m in observer.messages[3:]] == [
            (f"n/image/{number}", 3_000_000) for number in range(3)
        ]


async def test_without_a_connection_it_says_so_at_once() -> None:
    async with Owner(port=1) as owner:
        await owner.state("backing_off")
        with pytest.raises(LinkError, match=r"not connected to the broker 127\.0\.0\.1:1: .+") as caught:
            await owner.link.deliver(bulk("n/image", 1))
        assert caught.value.code == "broker_unreachable"


async def test_what_is_too_large_for_this_broker_is_told_with_its_limit(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, "max_packet_size 20000") as broker:
        async with Owner(port=broker.port) as owner:
            await owner.online()
            with pytest.raises(LinkError, match="the limit is 20000") as caught:
                await owner.link.deliver(bulk("n/image", 20_000))
            assert (caught.value.code, caught.value.allowed) == ("message_too_large", 20_000)


async def test_a_message_that_the_access_list_forbids_was_not_delivered(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite n/cmd/#\ntopic write n/status\ntopic write n/availability\n")
    with Mosquitto(tmp_path, f"acl_file {acl}") as broker:
        async with Owner(port=broker.port) as owner:
            await owner.online()
            with pytest.raises(LinkError, match="access list") as caught:
                await owner.link.deliver(bulk("n/image", 1))
            assert caught.value.code == "publish_denied"


@pytest.mark.parametrize("qos", [0, 1])
async def test_what_was_under_way_when_the_connection_ended_was_not_delivered(
    mosquitto: Mosquitto, qos: int
) -> None:
    async with Owner(port=mosquitto.port) as owner:
        await owner.online()
        mosquitto.freeze()
        # With QoS 0 it counts when the network took it: this is more than the socket's buffers hold.
        delivery = asyncio.create_task(owner.link.deliver(bulk("n/image", 9_000_000, qos=qos)))
        await until(lambda: owner.link._deliveries._waiting, "the delivery to begin")
        mosquitto.kill()
        with pytest.raises(LinkError) as caught:
            await delivery
        assert caught.value.code == "connection_lost"


async def test_a_later_message_takes_the_place_of_one_that_waits(mosquitto: Mosquitto) -> None:
    async with Owner(port=mosquitto.port) as owner:
        await owner.online()
        mosquitto.freeze()
        owner.link.publish(Outgoing(topic="n/status", payload=b"what bulk waits behind"))
        first = asyncio.create_task(owner.link.deliver(bulk("n/image", 1)))
        await until(lambda: owner.link._deliveries._waiting, "the delivery to begin")
        owner.link.publish(bulk("n/image", 2))
        with pytest.raises(LinkError, match="took the place of 'n/image'") as caught:
            await first
        assert caught.value.code == "replaced"


async def test_what_was_given_up_waiting_for_is_not_sent_later(mosquitto: Mosquitto) -> None:
    async with Observer(mosquitto.port) as observer, Owner(port=mosquitto.port) as owner:
        await owner.online()
        mosquitto.freeze()
        owner.link.publish(Outgoing(topic="n/status", payload=b"what bulk waits behind"))
        with pytest.raises(LinkError, match=r"did not take 'n/image' within 0\.05 s") as caught:
            await owner.link.deliver(bulk("n/image", 1), timeout_s=0.05)
        assert caught.value.code == "timeout"
        mosquitto.thaw()
        await owner.link.deliver(bulk("n/other", 1))
        await until(lambda: "n/other" in observer.topics(), "what was published last")
        assert "n/image" not in observer.topics()
