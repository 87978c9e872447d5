"""What a connection attempt makes of each kind of broker: versions, refusals, TLS, WebSockets."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.mqtt.message import Outgoing
from tests.brokers import Amqtt, Mosquitto, free_port
from tests.mqtt.fake_broker import FakeBroker
from tests.mqtt.support import Observer, Owner, until

V5_ACCEPTED = b"\x20\x03\x00\x00\x00"
V3_ACCEPTED = b"\x20\x02\x00\x00"
NONSENSE = b"\x00\x00"


async def test_amqtt_is_spoken_to_with_mqtt_3(tmp_path: Path) -> None:
    with Amqtt(tmp_path) as broker:
        async with Owner(port=broker.port) as owner:
            await owner.online()
            assert owner.link.status.protocol == "3.1.1"
            async with Observer(broker.port) as observer:
                await observer.publish("n/cmd/x", b"1")
                await until(lambda: owner.received, "the command")
            assert await owner.link.flush(2)


async def test_a_broker_that_refuses_5_is_not_asked_again() -> None:
    answers = {4: V3_ACCEPTED, 5: b"\x20\x03\x00\x84\x00"}
    async with FakeBroker(connack=answers) as broker, Owner(port=broker.port) as owner:
        await owner.online()
        broker.send(NONSENSE)
        await owner.online(births=2)
        assert broker.levels == [5, 4, 4]


async def test_a_refused_3_is_not_followed_by_versions_that_nobody_asked_for() -> None:
    async with (
        FakeBroker(connack={4: b"\x20\x02\x00\x01"}) as broker,
        Owner(port=broker.port, protocol="3.1.1") as owner,
    ):
        await owner.state("backing_off")
        await until(lambda: len(broker.levels) > 1, "the next attempt")
        assert set(broker.levels) == {4}


async def test_a_broker_that_closes_on_5_is_asked_again_once() -> None:
    async with FakeBroker(connack={4: V3_ACCEPTED}) as broker, Owner(port=broker.port) as owner:
        await owner.online()
        for births in (2, 3):
            broker.send(NONSENSE)
            await owner.online(births)
        assert broker.levels == [5, 4, 5, 4, 4]


async def test_a_broker_that_has_5_is_not_spoken_to_with_3_while_it_restarts() -> None:
    async with FakeBroker() as broker, Owner(port=broker.port) as owner:
        await owner.online()
        answers, broker.connack = broker.connack, {}
        broker.send(NONSENSE)
        await until(lambda: "broker_closed" in owner.codes(), "an attempt without an answer")
        broker.connack = answers
        await owner.online(births=2)
        assert owner.link.status.protocol == "5"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "porch", "right"], check=True)
    with Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}") as broker:
        yield broker


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_wrong_password_is_a_refusal_that_says_what_to_do(guarded: Mosquitto, protocol: str) -> None:
    async with Owner(port=guarded.port, username="porch", password="guess", protocol=protocol) as owner:
        status = await owner.state("refused")
        assert status.code == "broker_refused_credentials"
        assert status.reason is not None
        assert "mqtt.username and mqtt.password" in status.reason
        assert "guess" not in status.reason
    async with Owner(port=guarded.port, username="porch", password="right", protocol=protocol) as owner:
        await owner.online()


@pytest.mark.parametrize(
    ("connack", "code"),
    [
        (b"\x20\x03\x00\x8a\x00", "broker_refused"),
        (b"\x20\x03\x00\x88\x00", "broker_refused"),
        (b"\x20\x03\x00\x87\x00", "broker_refused_credentials"),
    ],
)
async def test_refusals_are_told_from_each_other(connack: bytes, code: str) -> None:
    async with FakeBroker(connack={5: connack}) as broker, Owner(port=broker.port) as owner:
        status = await owner.state("refused")
        assert status.code == code
        assert status.attempts >= 1


async def test_each_way_to_be_unreachable_has_its_code() -> None:
    async with Owner(port=free_port()) as owner:
        assert (await owner.state("backing_off")).code == "broker_unreachable"
    async with Owner(host="no-such-host.invalid") as owner:
        status = await owner.state("backing_off")
        assert status.code == "dns"
        assert "'no-such-host.invalid' cannot be resolved" in (status.reason or "")


async def test_a_port_that_does_not_speak_mqtt_is_given_up() -> None:
    answers = {5: b"HTTP/1.1 400 Bad Request\r\n\r\n"}
    async with (
        FakeBroker(connack=answers) as broker,
        Owner(port=broker.port, protocol="5", connect_timeout_s=0.3) as owner,
    ):
        assert (await owner.state("backing_off")).code == "broker_silent"


async def test_a_port_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for extra, code in (
            ({}, "broker_silent"),
            ({"tls": {}}, "broker_unreachable"),
            ({"transport": "websockets"}, "broker_unreachable"),
        ):
            async with Owner(port=silent.getsockname()[1], connect_timeout_s=0.3, **extra) as owner:
                status = await owner.state("backing_off")
                assert status.code == code
                assert "did not answer" in (status.reason or "")
    gc.collect()


@pytest.mark.parametrize(("protocol", "denial"), [("5", b"\x87"), ("3.1.1", b"\x80")])
async def test_a_denied_subscription_is_named(protocol: str, denial: bytes) -> None:
    async with (
        FakeBroker(granted=b"\x01" + denial) as broker,
        Owner(port=broker.port, protocol=protocol, subscriptions=("n/cmd/+", "n/desired")) as owner,
    ):
        await owner.online()
        assert owner.link.status.denied_subscriptions == ("n/desired",)


@pytest.fixture
def restricted(tmp_path: Path) -> Iterator[Mosquitto]:
    access = tmp_path / "acl"
    access.write_text("topic readwrite n/#\n")
    with Mosquitto(tmp_path, f"acl_file {access}") as broker:
        yield broker


async def test_a_publish_that_the_broker_refuses_is_counted(
    restricted: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    async with Owner(port=restricted.port) as owner:
        await owner.online()
        for _ in range(3):
            owner.link.publish(Outgoing(topic="elsewhere", payload=b"1", kind="event"))
        assert await owner.link.flush(2)
        assert owner.link.status.rejected == 3
        assert caplog.text.count("the broker refused a message") == 1
        assert owner.link.status.denied_publishes == ("elsewhere",)


@pytest.fixture
def denying(tmp_path: Path) -> Iterator[Mosquitto]:
    """A deny in mosquitto's acl_file leaves the SUBACK a success; only its plugins refuse a subscription."""
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    denial = {"acltype": "subscribeLiteral", "topic": "n/desired", "priority": 1, "allow": False}
    allowed = ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe")
    access = {
        "defaultACLAccess": dict.fromkeys(allowed, True),
        "clients": [],
        "groups": [{"groupname": "all", "roles": [{"rolename": "node"}], "clients": []}],
        "roles": [{"rolename": "node", "acls": [denial]}],
        "anonymousGroup": "all",
    }
    file = tmp_path / "access.json"
    file.write_text(json.dumps(access))
    with Mosquitto(tmp_path, f"plugin {plugin}\nplugin_opt_config_file {file}") as broker:
        yield broker


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_mosquitto_denies_a_subscription(denying: Mosquitto, protocol: str) -> None:
    filters = ("n/cmd/+", "n/desired")
    async with Owner(port=denying.port, protocol=protocol, subscriptions=filters) as owner:
        await owner.online()
        assert owner.link.status.denied_subscriptions == ("n/desired",)


async def test_properties_of_mqtt_5_go_both_ways(mosquitto: Mosquitto) -> None:
    async with Owner(port=mosquitto.port, subscriptions=("n/#",)) as owner:
        await owner.online()
        owner.link.publish(
            Outgoing(topic="n/x", payload=b"1", kind="reply", expires_s=20.0, correlation_data=b"\x00c")
        )
        await until(lambda: owner.received and owner.received[-1].topic == "n/x", "the message")
        message = owner.received[-1]
        assert message.correlation_data == b"\x00c"
        assert message.expires_s in (19, 20)


async def test_websockets_with_amqtt_and_a_large_message(tmp_path: Path) -> None:
    with Amqtt(tmp_path, transport="ws") as broker:
        async with Owner(port=broker.port, transport="websockets", path="/", subscriptions=("n/#",)) as owner:
            await owner.online()
            large = bytes(300_000)
            owner.link.publish(Outgoing(topic="n/large", payload=large))
            await until(lambda: any(m.payload == large for m in owner.received), "the large message")


async def test_nothing_is_left_behind(mosquitto: Mosquitto) -> None:
    before = asyncio.all_tasks()
    async with Owner(port=mosquitto.port) as owner:
        await owner.online()
    async with Owner(port=mosquitto.port) as owner:
        await owner.online()
        await owner.link.stop(None)
    assert asyncio.all_tasks() == before
    gc.collect()  # an open socket would be a ResourceWarning, and these are errors
