from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edge_agent.errors import LinkError
from edge_agent.mqtt.config import TlsConfig
from edge_agent.mqtt.tls import tls_context
from tests.brokers import Mosquitto
from tests.mqtt.fake_broker import FakeBroker
from tests.mqtt.support import Owner, until
from tests.pki import Pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    made = Pki(directory)
    made.authority("ca")
    made.authority("other")
    made.certificate("server", subject="broker")
    made.certificate("elsewhere", subject="broker", address="DNS:elsewhere.example")
    made.certificate("client", subject="porch-1")
    made.certificate("client2", subject="porch-2")
    return directory


def listener(pki: Path, server: str = "server", *, ask_client: bool = False) -> str:
    lines = [f"cafile {pki}/ca.pem", f"certfile {pki}/{server}.pem", f"keyfile {pki}/{server}.key"]
    if ask_client:
        lines += ["require_certificate true", "use_identity_as_username true"]
    return "\n".join(lines)


async def test_tls_with_a_private_authority(pki: Path, tmp_path: Path) -> None:
    with Mosquitto(tmp_path, listener=listener(pki)) as broker:
        async with Owner(port=broker.port, tls={"ca": pki / "ca.pem"}, subscriptions=("n/#",)) as owner:
            await owner.online()
            assert await owner.link.flush(2)
            # Its own three messages: several TLS records, one of which may hold more than one packet.
            await until(lambda: len(owner.received) == 3, "the messages to itself")
            shown = owner.link.status.broker_certificate
            assert shown is not None
            assert shown.ends_at - shown.begins_at == timedelta(days=2)
            assert shown.begins_at <= datetime.now(UTC) < shown.ends_at


async def test_messages_that_share_a_tls_record_are_all_received(pki: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    async with (
        FakeBroker(tls=context) as broker,
        Owner(port=broker.port, tls={"ca": pki / "ca.pem"}, protocol="3.1.1") as owner,
    ):
        await owner.online()
        broker.send(b"\x30\x04\x00\x01a1" * 100)
        await until(lambda: len(owner.received) == 100, "all messages", timeout_s=3)


@pytest.mark.parametrize(
    ("server", "tls", "reason"),
    [
        ("server", {"ca": "other.pem"}, "is not trusted"),
        ("server", {}, "is not trusted"),
        ("elsewhere", {"ca": "ca.pem"}, "IP address mismatch"),
        ("server", {"ca": "missing.pem"}, "mqtt.tls.ca"),
        ("server", {"ca": "ca.pem", "cert": "ca.key"}, "mqtt.tls.cert"),
    ],
)
async def test_what_is_wrong_with_tls_is_told(
    pki: Path, tmp_path: Path, server: str, tls: dict[str, str], reason: str
) -> None:
    with Mosquitto(tmp_path, listener=listener(pki, server)) as broker:
        section: dict[str, Any] = {name: pki / file for name, file in tls.items()}
        async with Owner(port=broker.port, tls=section) as owner:
            status = await owner.state("backing_off")
            assert status.code == "tls_failed"
            assert reason in (status.reason or "")


async def test_tls_to_a_port_without_and_the_other_way_round(
    pki: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with Owner(port=mosquitto.port, tls={"ca": pki / "ca.pem"}) as owner:
        assert (await owner.state("backing_off")).code == "tls_failed"
    with Mosquitto(tmp_path, listener=listener(pki)) as broker:
        async with Owner(port=broker.port) as owner:
            status = await owner.state("backing_off")
            assert status.code == "broker_closed"
            assert "does it want TLS?" in (status.reason or "")


async def test_a_rotated_certificate_is_used_with_the_next_connection(pki: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "my.pem", tmp_path / "my.key"
    certificate.write_bytes((pki / "client.pem").read_bytes())
    key.write_bytes((pki / "client.key").read_bytes())
    tls = {"ca": pki / "ca.pem", "cert": certificate, "key": key}
    with Mosquitto(tmp_path, listener=listener(pki, ask_client=True)) as broker:
        async with Owner(port=broker.port, tls=tls) as owner:
            await owner.online()
            assert "'porch-1'" in broker.log()
            certificate.write_bytes((pki / "client2.pem").read_bytes())
            key.write_bytes((pki / "client2.key").read_bytes())
            broker.kill()
            broker.start()
            await owner.online(births=2)
            assert "'porch-2'" in broker.log()


async def test_a_missing_client_certificate_is_told(pki: Path, tmp_path: Path) -> None:
    with Mosquitto(tmp_path, listener=listener(pki, ask_client=True)) as broker:
        async with Owner(port=broker.port, tls={"ca": pki / "ca.pem"}) as owner:
            status = await owner.state("backing_off")
            # The alert may be lost to the reset that follows it: either way it is said what to look at.
            assert status.code in {"tls_failed", "broker_closed"}
            assert "mqtt.tls.cert" in (status.reason or "")


def test_an_encrypted_key_does_not_ask_anybody(pki: Path, tmp_path: Path) -> None:
    key = tmp_path / "locked.key"
    Pki(pki).openssl("ec", "-in", "client.key", "-aes128", "-passout", "pass:secret", "-out", str(key))
    with pytest.raises(LinkError, match="without a passphrase") as caught:
        tls_context(TlsConfig(ca=pki / "ca.pem", cert=pki / "client.pem", key=key))
    assert caught.value.code == "tls_failed"


def test_a_key_needs_its_certificate() -> None:
    with pytest.raises(ValidationError, match="'key' is given without 'cert'"):
        TlsConfig(key=Path("my.key"))


async def test_a_renewed_certificate_is_used_at_once_where_that_is_asked(pki: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "my.pem", tmp_path / "my.key"
    certificate.write_bytes((pki / "client.pem").read_bytes())
    key.write_bytes((pki / "client.key").read_bytes())
    tls = {"ca": pki / "ca.pem", "cert": certificate, "key": key}
    with Mosquitto(tmp_path, listener=listener(pki, ask_client=True)) as broker:
        async with Owner(port=broker.port, tls=tls) as owner:
            owner.link.reconnect("there is no connection yet")
            await owner.online()
            certificate.write_bytes((pki / "client2.pem").read_bytes())
            key.write_bytes((pki / "client2.key").read_bytes())
            owner.link.reconnect("the certificates have changed")
            owner.link.reconnect("twice is once")
            await owner.online(births=2)
            assert "'porch-2'" in broker.log()
            assert len(owner.births) == 2
            # It was no failure: nothing is waited for, and no will is published.
            assert {status.state for status in owner.states} == {"connecting", "online"}
            assert owner.link.status.reconnects == 1
