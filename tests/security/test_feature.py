from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.mqtt.validity import Validity
from edge_agent.security.certificates import first_to_expire
from edge_agent.security.feature import SecurityFeature, is_loopback
from tests.clocks import ManualClock, disk_settled
from tests.features import Desk
from tests.profiles.house import FakeCamera
from tests.security.test_certificates import certificate


def desk_of(path: Path, clock: ManualClock, **mqtt: object) -> Desk:
    environ = {f"EDGE_AGENT_MQTT__{key.upper()}": str(value) for key, value in mqtt.items()}
    return Desk(state_dir=path / "state", camera=FakeCamera(), clock=clock, environ=environ)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]", "LOCALHOST.", "a.localhost"]
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["192.168.1.2", "broker.local", "localhost.example.com", "0.0.0.0", "fe80::1"]
)
def test_another_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("mqtt", "codes"),
    [
        ({"host": "localhost"}, set()),
        ({"host": "broker.local"}, {"mqtt_plain_text"}),
        ({"host": "broker.local", "allow_plain_text": "true"}, set()),
        ({"host": "broker.local", "tls": "{}"}, set()),
    ],
)
async def test_plain_text_beyond_this_machine_is_told(
    tmp_path: Path, mqtt: dict[str, str], codes: set[str]
) -> None:
    desk = desk_of(tmp_path, ManualClock(), **mqtt)
    async with SecurityFeature(host=desk.host, config=None):
        assert desk.problem_codes() == codes


async def test_the_password_is_named_but_not_told(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ManualClock(), host="broker.local", username="porch", password="hunter22")
    async with SecurityFeature(host=desk.host, config=None):
        [problem] = desk.problems.document()
    assert "the password" in problem["message"]
    assert "hunter22" not in str(problem)


class Rotation:
    """A node with a certificate that is renewed."""

    def __init__(self, path: Path) -> None:
        self.file = certificate(path / "my.pem", 100)
        self.key = Path(f"{self.file}.key")
        self.clock = ManualClock()
        validity = first_to_expire(self.file)
        assert validity is not None
        self.clock.set_now(validity.ends_at - timedelta(days=100))
        self.desk = desk_of(
            path, self.clock, host="broker", tls__ca=self.file, tls__cert=self.file, tls__key=self.key
        )

    async def minutes(self, count: int) -> None:
        for _ in range(count):
            await disk_settled()
            self.clock.advance(60)
        await disk_settled()


@pytest.fixture
def rotation(tmp_path: Path) -> Rotation:
    return Rotation(tmp_path)


async def test_one_that_expires_soon_is_told_until_it_is_renewed(rotation: Rotation, tmp_path: Path) -> None:
    async with SecurityFeature(host=rotation.desk.host, config=None):
        await rotation.minutes(1)
        assert rotation.desk.problem_codes() == set()
        rotation.clock.set_now(rotation.clock.now() + timedelta(days=87))
        await rotation.minutes(1)
        [problem] = rotation.desk.problems.document()
        assert problem["code"] == "certificate_expires"
        assert "my.pem) expires on" in problem["message"]
        rotation.clock.set_now(rotation.clock.now() + timedelta(days=20))
        await rotation.minutes(1)
        assert "my.pem) expired on" in rotation.desk.problems.document()[0]["message"]
        certificate(rotation.file, 400)
        await rotation.minutes(1)
        assert rotation.desk.problem_codes() == set()
        assert rotation.desk.reconnects == ["the certificates have changed"]


async def test_unchanged_files_lead_to_nothing_and_changed_ones_once(rotation: Rotation) -> None:
    async with SecurityFeature(host=rotation.desk.host, config=None):
        await rotation.minutes(5)
        assert rotation.desk.reconnects == []
        certificate(rotation.file, 100)
        await rotation.minutes(5)
        assert len(rotation.desk.reconnects) == 1


async def test_half_of_a_new_pair_is_waited_out(rotation: Rotation, tmp_path: Path) -> None:
    async with SecurityFeature(host=rotation.desk.host, config=None):
        new = certificate(tmp_path / "new.pem", 100)
        rotation.file.write_bytes(new.read_bytes())
        await rotation.minutes(2)
        assert rotation.desk.problem_codes() == {"certificate_unusable"}
        assert rotation.desk.reconnects == []
        rotation.key.write_bytes(new.with_name("new.pem.key").read_bytes())
        await rotation.minutes(2)
        assert rotation.desk.problem_codes() == set()
        assert len(rotation.desk.reconnects) == 1


async def test_the_broker_s_own_certificate_is_told_until_it_shows_another(rotation: Rotation) -> None:
    now = rotation.clock.now()
    shown = Validity(now - timedelta(days=50), now + timedelta(days=40))
    host = replace(rotation.desk.host, broker_certificate=lambda: shown)
    async with SecurityFeature(host=host, config=None):
        await rotation.minutes(1)
        assert rotation.desk.problem_codes() == set()
        rotation.clock.set_now(now + timedelta(days=30))
        await rotation.minutes(1)
        [problem] = rotation.desk.problems.document()
        assert problem["code"] == "broker_certificate_expires"
        assert problem["message"].startswith("the certificate of broker:8883 expires on ")
        shown = replace(shown, ends_at=now + timedelta(days=120))
        await rotation.minutes(1)
        assert rotation.desk.problem_codes() == set()
