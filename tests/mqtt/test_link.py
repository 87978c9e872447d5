from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.clock import SystemClock
from edge_agent.errors import LinkError
from edge_agent.mqtt.config import BackoffConfig
from edge_agent.mqtt.message import Incoming, Outgoing
from tests.brokers import Mosquitto
from tests.mqtt.fake_broker import FakeBroker
from tests.mqtt.support import Observer, Owner, until


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_birth_comes_in_order_and_availability_last(mosquitto: Mosquitto, protocol: str) -> None:
    async with Observer(mosquitto.port) as observer, Owner(port=mosquitto.port, protocol=protocol) as owner:
        await owner.online()
        await until(lambda: len(observer.messages) == 3, "three messages")
        assert observer.topics() == ["n/capabilities", "n/status", "n/availability"]
        assert observer.seen("n/availability") == [b"online %d" % owner.births[0]]
        status = owner.link.status
        assert (status.protocol, status.session_epoch) == (protocol, owner.births[0])
        assert (status.code, status.attempts, status.reconnects) == (None, 0, 0)
        assert [s.state for s in owner.states] == ["connecting", "online"]


async def test_commands_are_received_before_the_birth_is_over_and_answered(mosquitto: Mosquitto) -> None:
    async with Observer(mosquitto.port) as observer, Owner(port=mosquitto.port) as owner:
        owner.handle = lambda message: owner.link.publish(
            Outgoing(topic="n/reply", payload=message.payload, kind="reply")
        )
        await owner.online()
        await observer.publish("n/cmd/x", b"1")
        await until(lambda: observer.seen("n/reply") == [b"1"], "the reply")
        assert owner.received == [Incoming(topic="n/cmd/x", payload=b"1", retain=False, qos=1)]


@pytest.mark.parametrize(("protocol", "live"), [("5", True), ("3.1.1", False)])
async def test_retained_messages_are_marked(mosquitto: Mosquitto, protocol: str, live: bool) -> None:
    async with Observer(mosquitto.port, "none") as observer:
        await observer.publish("n/cmd/old", b"1", retain=True)
        async with Owner(port=mosquitto.port, protocol=protocol) as owner:
            await owner.online()
            await observer.publish("n/cmd/new", b"2", retain=True)
            await until(lambda: len(owner.received) == 2, "both messages")
            assert [(m.topic, m.retain) for m in owner.received] == [("n/cmd/old", True), ("n/cmd/new", live)]


async def test_a_handler_that_raises_does_not_end_the_link(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: Incoming) -> None:
        raise ValueError(message.topic)

    async with Observer(mosquitto.port) as observer, Owner(port=mosquitto.port) as owner:
        owner.handle = fail
        await owner.online()
        await observer.publish("n/cmd/x", b"1")
        await observer.publish("n/cmd/y", b"2")
        await until(lambda: len(owner.received) == 2, "both messages")
        assert owner.link.status.state == "online"
        assert "handling a message on 'n/cmd/x' failed" in caplog.text


async def test_cancelling_publishes_the_will_and_stopping_does_not(mosquitto: Mosquitto) -> None:
    async with Observer(mosquitto.port, "n/availability") as observer:
        async with Owner(port=mosquitto.port) as first:
            await first.online()
            session = first.link._session
        await until(lambda: len(observer.messages) == 2, "the will")
        assert session is not None
        async with Owner(port=mosquitto.port) as second:
            await second.online()
            await second.link.stop(second.availability("stopped", second.births[0]))
            second.link.publish(second.availability("online", 0))
            assert second.link.status.state == "offline"
        # A round trip after the end: the will would have come before it.
        await observer.publish("n/availability", b"mark")
        await until(lambda: observer.seen()[-1:] == [b"mark"], "the mark")
        assert [payload.split()[0] for payload in observer.seen()] == [
            b"online",
            b"offline",
            b"online",
            b"stopped",
            b"mark",
        ]
        assert observer.seen()[1].split()[1] == b"%d" % first.births[0]


async def test_epochs_rise_though_the_clock_is_set_back(mosquitto: Mosquitto) -> None:
    class Backwards(SystemClock):
        seconds = 1_000_000

        def now(self) -> datetime:
            self.seconds -= 1
            return datetime.fromtimestamp(self.seconds, UTC)

    async with Owner(port=mosquitto.port, clock=Backwards()) as owner:
        for births in (1, 2, 3):
            await owner.online(births)
            mosquitto.kill()
            mosquitto.start()
        assert owner.births == sorted(set(owner.births))


async def test_stop_at_a_frozen_broker_ends_all_the_same(mosquitto: Mosquitto) -> None:
    async with Owner(port=mosquitto.port) as owner:
        await owner.online()
        mosquitto.freeze()
        await owner.link.stop(owner.availability("stopped", owner.births[0]))
        assert owner.link.status.state == "offline"


async def test_stop_without_a_broker_returns() -> None:
    async with Owner(port=1) as owner:
        await owner.state("backing_off")
        await owner.link.stop(owner.availability("stopped", 0))
        assert owner.link.status.state == "offline"
        assert owner.codes()[-2] == "broker_unreachable"


async def test_a_killed_broker_that_forgot_everything_gets_a_new_birth(mosquitto: Mosquitto) -> None:
    async with Owner(port=mosquitto.port) as owner:
        await owner.online()
        mosquitto.kill()
        await until(lambda: "broker_unreachable" in owner.codes(), "that the broker is gone")
        assert owner.link.status.session_epoch is None
        owner.documents["n/status"] = b"s2"
        mosquitto.start()
        await owner.online(births=2)
        async with Observer(mosquitto.port) as observer:
            await until(lambda: len(observer.messages) == 3, "all retained documents")
            assert observer.seen("n/status") == [b"s2"]
        assert owner.births[1] > owner.births[0]
        assert owner.link.status.reconnects == 1
        assert "connection_lost" in owner.codes()


async def test_nothing_stale_is_sent_after_a_reconnect_but_replies_and_events_are(
    mosquitto: Mosquitto,
) -> None:
    async with Owner(port=mosquitto.port) as owner:
        await owner.online()
        assert await owner.link.flush(2)
        mosquitto.freeze()
        for number in range(40):
            owner.link.publish(Outgoing(topic="n/status", payload=b"stale %d" % number, retain=True))
        owner.link.publish(Outgoing(topic="n/reply/x", payload=b"r", kind="reply"))
        owner.link.publish(Outgoing(topic="n/event/x", payload=b"e", kind="event"))
        owner.link.publish(Outgoing(topic="n/event/x", payload=b"late", kind="event", expires_s=0.01))
        mosquitto.kill()
        await until(lambda: owner.link.status.state != "online", "the loss")
        owner.link.publish(Outgoing(topic="n/status", payload=b"stale, too", retain=True))
        owner.documents["n/status"] = b"fresh"
        mosquitto.start()
        async with Observer(mosquitto.port) as observer:
            await owner.online(births=2)
            assert await owner.link.flush(2)
            await until(lambda: observer.seen("n/event/x"), "the event")
            assert observer.seen("n/status") == [b"fresh"] * len(observer.seen("n/status"))
            assert observer.seen("n/reply/x") == [b"r"]
            assert observer.seen("n/event/x") == [b"e"]
            assert owner.link.status.dropped.expired == 1


async def test_a_frozen_broker_is_noticed_and_its_return_too(mosquitto: Mosquitto) -> None:
    async with Owner(port=mosquitto.port, connect_timeout_s=1) as owner:
        await owner.online()
        mosquitto.freeze()
        await until(lambda: "broker_silent" in owner.codes(), "the silence", 1.5 * 5 + 2)
        await until(lambda: "did not answer within 1 s" in (owner.link.status.reason or ""), "an attempt")
        mosquitto.thaw()
        await owner.online(births=2)
        assert owner.link.status.protocol == "5"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_second_client_with_the_same_identity_is_told(mosquitto: Mosquitto, protocol: str) -> None:
    async with Owner(port=mosquitto.port, client_id="twin", protocol=protocol) as owner:
        await owner.online()
        async with Observer(mosquitto.port, client_id="twin"):
            status = await owner.state("flapping")
            assert status.code == "duplicate_client_id"
            assert status.reason is not None
            assert "another client has the client id 'twin'" in status.reason
            births = len(owner.births)
        await owner.online(births + 1)
        assert owner.link.status.code is None
        outage = owner.link.status.last_outage
        assert outage is not None
        assert outage.codes == ("duplicate_client_id",)
        # Until the connection has lasted it may be the other one's pause.
        assert "'twin'" in (owner.link.status.contested or "")


async def test_a_contest_is_over_when_a_connection_has_lasted() -> None:
    backoff = BackoffConfig(min_s=0.05, max_s=0.2, flapping_min_s=0.1, flapping_max_s=0.2, stable_s=1.5)
    async with (
        FakeBroker() as broker,
        Owner(port=broker.port, subscriptions=(), backoff=backoff) as owner,
    ):
        await owner.online()
        broker.send(b"\xe0\x02\x8e\x00")
        await owner.online(births=2)
        assert owner.link.status.contested
        told = len(owner.states)
        await until(lambda: owner.link.status.contested is None, "the end of the contest")
        assert owner.states[told].contested is None


async def test_what_there_was_without_a_broker_is_told_when_it_is_over(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with Owner(port=broker.port) as owner:
            await owner.online()
            assert owner.link.status.last_outage is None
            broker.kill()
            await until(lambda: "broker_unreachable" in owner.codes(), "an attempt")
            broker.start()
            await owner.online(births=2)
            outage = owner.link.status.last_outage
            assert outage is not None
            assert outage.codes == ("connection_lost", "broker_unreachable")
            assert "is it running there?" in outage.reason
            assert outage.lasted_s > 0


async def test_a_broker_that_tells_of_a_takeover_is_believed_at_once() -> None:
    async with FakeBroker() as broker, Owner(port=broker.port, subscriptions=()) as owner:
        await owner.online()
        broker.send(b"\xe0\x02\x8e\x00")
        status = await owner.state("flapping")
        assert status.code == "duplicate_client_id"
        await owner.online(births=2)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_message_larger_than_the_brokers_limit_is_refused(tmp_path: Path, protocol: str) -> None:
    with Mosquitto(tmp_path, "max_packet_size 4000") as broker:
        async with Owner(port=broker.port, protocol=protocol) as owner:
            await owner.online()
            large = Outgoing(topic="n/status", payload=bytes(5000), retain=True)
            refused: list[LinkError] = []

            async def publish() -> bool:
                try:
                    owner.link.publish(large)
                except LinkError as error:
                    refused.append(error)
                await asyncio.sleep(0.01)
                return bool(refused)

            for _ in range(500):
                if await publish():
                    break
            assert refused[0].code == "message_too_large"
            await owner.online()
            # Told by MQTT 5, learned the hard way with MQTT 3.1.1; either way the link is up for the rest.
            assert len(owner.births) == (1 if protocol == "5" else 4)
            assert owner.link.status.state == "online"


async def test_what_cannot_be_sent_is_refused_at_once(mosquitto: Mosquitto) -> None:
    async with Owner(port=mosquitto.port, max_message_bytes=2000) as owner:
        await owner.online()
        for topic in ("", "n/+/x", "n/#", "n/\0", "\ud800"):
            with pytest.raises(LinkError) as caught:
                owner.link.publish(Outgoing(topic=topic, payload=b""))
            assert caught.value.code == "message_invalid"
        with pytest.raises(LinkError, match=r"has \d+ bytes, the limit is 2000"):
            owner.link.publish(Outgoing(topic="n/status", payload=bytes(2000)))
        assert await owner.link.flush(2)
        assert owner.link.status.state == "online"


async def test_a_birth_that_fails_is_tried_again(mosquitto: Mosquitto) -> None:
    async with Owner(port=mosquitto.port) as owner:
        owner.documents["n/#"] = b"cannot be published"
        await until(lambda: len(owner.births) == 2, "a second birth")
        assert "birth_failed" in owner.codes()
        del owner.documents["n/#"]
        await owner.online()


async def test_many_messages_at_once_arrive_complete_and_in_order(mosquitto: Mosquitto) -> None:
    async with Observer(mosquitto.port, "n/event/x") as observer, Owner(port=mosquitto.port) as owner:
        await owner.online()
        for number in range(200):
            owner.link.publish(Outgoing(topic="n/event/x", payload=b"%d" % number, kind="event"))
        assert await owner.link.flush(5)
        await until(lambda: len(observer.messages) == 200, "200 messages")
        assert observer.seen() == [b"%d" % number for number in range(200)]


async def test_large_images_do_not_block_the_loop_and_arrive(mosquitto: Mosquitto) -> None:
    image = bytes(range(256)) * 4096 * 6
    async with Observer(mosquitto.port, "n/image") as observer, Owner(port=mosquitto.port) as owner:
        await owner.online()
        owner.link.publish(Outgoing(topic="n/image", payload=image, qos=0, kind="bulk"))
        assert await owner.link.flush(5)
        await until(lambda: observer.messages, "the image")
        assert observer.seen() == [image]
