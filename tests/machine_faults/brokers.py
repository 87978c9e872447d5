"""What befalls the broker: killed, frozen, cut off without a word, its name gone, and a second client."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from pathlib import Path

from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.machine_faults.house import House, Outcome, house
from tests.machine_faults.machine import Machine

__all__ = ["cut_off", "frozen", "killed", "name_gone", "restarted_empty"]

_KEEPALIVE_S = 5
_BROKER_NAME = "broker.example"


def _retained(house: House) -> list[str]:
    """Return every topic that the broker has a document for, as a newcomer sees them."""
    with Listener(house.broker.port, "#") as fresh:
        fresh.publish("after/all", "that was retained")
        fresh.wait("after/all")
        return sorted({seen.topic for seen in fresh.seen if seen.retain})


def killed(directory: Path, lasting_s: float) -> Outcome:
    """SIGKILL; then it is started again and knows what it had."""
    with house(directory, broker=lambda where: Mosquitto(where, persistent=True)) as at:
        assert at.agent.command("image", {"contrast": 1.25})["state"] == "done"
        at.begin()
        at.broker.kill()
        at.last(lasting_s)
        since = at.end()
        at.broker.start()
        status = at.back(since=since)
        outcome = at.outcome("broker killed", _outage(status))
        assert status["camera"]["settings"]["image"]["contrast"] == 1.25
        assert status["link"]["reconnects"] == 1
    return outcome


def restarted_empty(directory: Path, lasting_s: float) -> Outcome:
    """SIGKILL; then it is started again and knows nothing: everything is published anew, `online` last."""
    with house(directory) as at:
        before = _retained(at)
        at.begin()
        at.broker.kill()
        at.last(lasting_s)
        at.agent.signal(signal.SIGSTOP)  # until somebody looks, to see the order
        at.broker.start()
        with Listener(at.broker.port, "#") as fresh:
            since = at.end()
            at.agent.signal(signal.SIGCONT)
            online = fresh.wait(
                f"{at.agent.base}/availability", lambda seen: seen.json["state"] == "online", timeout_s=30
            )
            at.well(since=since)
            outcome = at.outcome("broker restarted empty", f"{len(before)} retained documents are back")
            first = {seen.topic: seen.at_s for seen in reversed(fresh.seen)}
            assert set(before) <= set(first), set(before) - set(first)
            assert all(first[topic] <= online.at_s for topic in before)
    return outcome


def frozen(directory: Path, lasting_s: float) -> Outcome:
    """SIGSTOP: its sockets stay open and nothing is answered."""
    with house(directory, connect=lambda _: {"keepalive_s": _KEEPALIVE_S}) as at:
        at.begin()
        at.broker.freeze()
        at.logged("has been silent", timeout_s=3 * _KEEPALIVE_S)
        at.last(lasting_s)
        since = at.end()
        at.broker.thaw()
        status = at.back(since=since)
        outcome = at.outcome("broker frozen (SIGSTOP)", _outage(status))
        assert status["link"]["last_outage"]["codes"][0] == "broker_silent"
    return outcome


def cut_off(directory: Path, lasting_s: float) -> Outcome:
    """The way to it drops every packet: nobody is told that the other one is gone."""
    with (
        Machine(directory, network=True) as machine,
        house(
            directory,
            broker=lambda where: Mosquitto(where, also=(machine.outside,)),
            connect=lambda _: {
                "host": machine.outside,
                "keepalive_s": _KEEPALIVE_S,
                "allow_plain_text": True,
            },
            through=machine.through,
        ) as at,
    ):
        at.begin()
        machine.cut_off()
        mark = at.listener.mark()
        at.logged("has been silent", timeout_s=3 * _KEEPALIVE_S)
        at.listener.wait(
            f"{at.agent.base}/availability",
            lambda seen: seen.json["state"] == "offline",
            since=mark,
            timeout_s=4 * _KEEPALIVE_S,
        )
        at.last(lasting_s)
        since, ended = at.end(), time.time()
        machine.connect_again()
        status = at.back(since=since)
        outcome = at.outcome("broker cut off (half open)", _outage(status))
        assert status["link"]["last_outage"]["codes"][0] == "broker_silent"
        stale = [
            seen.topic
            for seen in at.listener.seen[since:]
            if seen.topic.endswith(("/status", "/heartbeat")) and _time_s(seen.json["time"]) < ended - 1
        ]
        assert not stale, stale
    return outcome


def name_gone(directory: Path, lasting_s: float) -> Outcome:
    """Its name is not found any more, then it is, at another address."""
    with Machine(directory, network=True) as machine:
        names = machine.cover(Path("/etc/hosts"), f"{machine.outside} {_BROKER_NAME}\n")
        machine.cover(
            Path("/etc/resolv.conf"), f"nameserver {machine.outside}\noptions timeout:1 attempts:1\n"
        )
        with house(
            directory,
            broker=lambda where: Mosquitto(where, also=(machine.outside, machine.elsewhere)),
            connect=lambda _: {"host": _BROKER_NAME, "allow_plain_text": True},
            through=machine.through,
        ) as at:
            at.begin()
            names.write_text("")
            at.broker.kill()
            at.logged("cannot be resolved", timeout_s=30)
            at.broker.start()
            at.last(lasting_s)
            since = at.end()
            names.write_text(f"{machine.elsewhere} {_BROKER_NAME}\n")
            status = at.back(since=since)
            outcome = at.outcome("DNS gone, broker moves", _outage(status))
            assert "dns" in status["link"]["last_outage"]["codes"]
    return outcome


def names_unanswered(directory: Path, lasting_s: float) -> Outcome:
    """The name server does not answer at all: a look-up takes longer than a connection may."""
    with Machine(directory, network=True) as machine:
        names = machine.cover(Path("/etc/hosts"), f"{machine.outside} {_BROKER_NAME}\n")
        # Two servers with the system's own patience: twenty seconds for one look-up.
        machine.cover(
            Path("/etc/resolv.conf"), f"nameserver {machine.outside}\nnameserver {machine.elsewhere}\n"
        )
        with house(
            directory,
            broker=lambda where: Mosquitto(where, also=(machine.outside,)),
            connect=lambda _: {"host": _BROKER_NAME, "allow_plain_text": True, "connect_timeout_s": 1.5},
            through=machine.through,
        ) as at:
            at.begin()
            names.write_text("")
            machine.lose_names()
            at.broker.kill()
            at.broker.start()
            at.logged("cannot be resolved", timeout_s=30)
            at.last(lasting_s)
            since = at.end()
            names.write_text(f"{machine.outside} {_BROKER_NAME}\n")
            machine.connect_again()
            status = at.back(since=since)
            outcome = at.outcome("DNS does not answer", _outage(status))
            assert "dns" in status["link"]["last_outage"]["codes"]
            # A look-up that hangs does not hold up the end.
            names.write_text("")
            machine.lose_names()
            mark = len(at.agent.log())
            at.broker.kill()
            at.logged("cannot be resolved", after=mark)
            begun_s = time.monotonic()
            at.agent.stop()
            outcome.note += f"; stopped within {time.monotonic() - begun_s:.1f} s while it hung"
    return outcome


def _outage(status: dict[str, object]) -> str:
    link = status["link"]
    assert isinstance(link, dict)
    return f"status.link.last_outage: {link['last_outage']}"


def _time_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
