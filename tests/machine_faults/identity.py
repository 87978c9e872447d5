"""Who is who: a second client with the agent's name, a broker's certificate that ran out, the agent's own."""

from __future__ import annotations

import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.brokers import Mosquitto
from tests.machine_faults.house import Outcome, house

__all__ = ["Authority", "both_renewed", "broker_expired", "second_client", "tls_broker", "tls_section"]


def second_client(directory: Path, lasting_s: float) -> Outcome:
    """Another client takes the agent's name, and comes back whenever it is sent away."""
    # The other one comes back after a second: a connection of three is none of its pauses.
    backoff = {"min_s": 0.1, "max_s": 0.5, "stable_s": 3, "flapping_min_s": 2, "flapping_max_s": 2}
    with house(directory, connect=lambda _: {"backoff": backoff}) as at:
        other = paho.Client(CallbackAPIVersion.VERSION2, client_id="edge-agent-porch")
        other.reconnect_delay_set(1, 1)
        taken = threading.Event()

        def connected(*_: object) -> None:
            at.note("the other connects")
            taken.set()

        other.on_connect = connected
        at.begin()
        other.connect("127.0.0.1", at.broker.port)
        other.loop_start()
        try:
            told = at.problem("duplicate_client_id", timeout_s=30)
            assert "node.id" in told["message"]
            at.last(lasting_s)
            # It ends while the other has the name: then the agent comes back, and was not there already.
            taken.clear()
            assert taken.wait(20)
        finally:
            since = at.end()
            other.disconnect()
            other.loop_stop()
        status = at.back(since=since)
        outcome = at.outcome("second client of its name", f"last_outage: {status['link']['last_outage']}")
        assert status["link"]["last_outage"]["codes"] == ["duplicate_client_id"]
        # Told once when it came and once when it had gone, however often the two took turns.
        assert outcome.said().count("+duplicate_client_id") == 1
        assert outcome.said().count("-duplicate_client_id") == 1
    return outcome


class Authority:
    """Signs certificates that were given a year ago, also ones that have run out."""

    _CONFIG = """
[ca]
default_ca = suite
[suite]
certificate = ca.pem
private_key = ca.key
database = given
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = names
[names]
commonName = supplied
"""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "ca.conf").write_text(self._CONFIG)
        (directory / "given").touch()
        self._openssl("req", "-x509", *self._key("ca"), "-days", "3650", "-subj", "/CN=ca", "-out", "ca.pem")

    def certificate(self, name: str, *, subject: str, days: int) -> None:
        """Write NAME.pem and NAME.key, good for so many more days, or since so many days no more."""
        self._openssl("req", "-new", *self._key(name), "-subj", f"/CN={subject}", "-out", f"{name}.csr")
        (self._directory / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
        now = datetime.now(UTC)
        begin, end = (f"{now + timedelta(days=count):%Y%m%d%H%M%SZ}" for count in (-365, days))
        signed = ["-config", "ca.conf", "-batch", "-notext", "-extfile", "extensions"]
        times = ["-startdate", begin, "-enddate", end]
        self._openssl("ca", "-in", f"{name}.csr", *signed, *times, "-out", f"{name}.pem")

    def _key(self, name: str) -> list[str]:
        options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        return [*options, "-keyout", f"{name}.key"]

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._directory, check=True, capture_output=True)


def tls_broker(directory: Path) -> Mosquitto:
    files = f"cafile {directory}/ca.pem\ncertfile {directory}/server.pem\nkeyfile {directory}/server.key"
    return Mosquitto(directory, secured=f"{files}\nrequire_certificate true\nuse_identity_as_username true\n")


def tls_section(broker: Mosquitto, directory: Path) -> dict[str, Any]:
    return {
        "port": broker.secured_port,
        "tls": {
            "ca": str(directory / "ca.pem"),
            "cert": str(directory / "client.pem"),
            "key": str(directory / "client.key"),
        },
    }


def broker_expired(directory: Path, lasting_s: float) -> Outcome:
    """The broker's certificate has run out: the agent does not talk to it, until it has a new one."""
    authority = Authority(directory)
    authority.certificate("server", subject="broker", days=365)
    authority.certificate("client", subject="porch", days=365)
    with house(directory, broker=tls_broker, connect=lambda broker: tls_section(broker, directory)) as at:
        at.begin()
        authority.certificate("server", subject="broker", days=-1)
        at.broker.kill()
        at.broker.start()
        at.logged("certificate has expired")
        at.last(lasting_s)
        authority.certificate("server", subject="broker", days=365)
        since = at.end()
        at.broker.kill()
        at.broker.start()
        status = at.back(since=since)
        outage = status["link"]["last_outage"]
        outcome = at.outcome("broker's certificate expired", f"last_outage: {outage}")
        assert "tls_failed" in outage["codes"]
    return outcome


def both_renewed(directory: Path, lasting_s: float) -> Outcome:
    """The agent's certificate and the broker's run out soon, which is told; new ones are simply used."""
    authority = Authority(directory)
    authority.certificate("server", subject="broker", days=3)
    authority.certificate("client", subject="porch-old", days=3)
    with house(directory, broker=tls_broker, connect=lambda broker: tls_section(broker, directory)) as at:
        at.begin()
        told = at.problem("certificate_expires", since=0)
        assert "mqtt.tls.cert" in told["message"]
        # It looks once a minute.
        told = at.problem("broker_certificate_expires", since=0, timeout_s=90)
        assert f"127.0.0.1:{at.broker.secured_port} expires on" in told["message"]
        at.last(lasting_s)
        since = at.end()
        authority.certificate("client", subject="porch-new", days=365)
        at.problem("certificate_expires", there=False, since=since, timeout_s=90)
        at.back(since=since, but="broker_certificate_expires")
        authority.certificate("server", subject="broker", days=365)
        since = at.listener.mark()
        at.broker.kill()
        at.broker.start()
        at.problem("broker_certificate_expires", there=False, since=since, timeout_s=90)
        outcome = at.outcome("certificates renewed")
        assert "'porch-new'" in at.broker.log()
    return outcome
