"""The agent under a service manager: what it tells, and when it stops being fed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.notify_socket import ServiceManager


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceManager]:
    with ServiceManager(tmp_path / "notify") as listening:
        monkeypatch.setenv("NOTIFY_SOCKET", listening.address)
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listening


def test_it_is_ready_without_a_broker_and_tells_when_there_is_one(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener, manager: ServiceManager
) -> None:
    mosquitto.stop()
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener) as agent:
        manager.wait("READY=1")
        manager.wait("WATCHDOG=1")
        manager.wait("STATUS=broker backing_off")
        mosquitto.start()
        manager.wait("STATUS=broker online, camera running, stream stopped")
        # Commanded to start again, it does not say that it stops: systemd would take it at its word.
        manager.take()
        agent.online()
        mark = listener.mark()
        listener.publish(f"{agent.base}/cmd/restart", {"target": "agent"})
        manager.wait("READY=1")
        agent.online(since=mark)
        assert "STOPPING=1" not in manager.take()
        assert agent.stop() == 0
        manager.wait("STOPPING=1")


def test_an_agent_that_does_not_run_does_not_feed_the_watchdog(
    tmp_path: Path, listener: Listener, mosquitto: Mosquitto, manager: ServiceManager
) -> None:
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener) as agent:
        manager.wait("STATUS=broker online, camera running")
        agent.signal(signal.SIGSTOP)
        stat = Path(f"/proc/{agent.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            pass
        manager.take()
        with pytest.raises(TimeoutError):
            manager.wait("WATCHDOG=1", timeout_s=2)
        agent.signal(signal.SIGCONT)
        manager.wait("WATCHDOG=1")
