from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from edge_agent.health.notify_socket import NotifySocket, watchdog_s
from tests.notify_socket import ServiceManager


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_words_arrive_at_both_kinds_of_address(kind: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@edge-agent-test-{os.getpid()}"
    with ServiceManager(address) as manager:
        sender = NotifySocket.from_environment({"NOTIFY_SOCKET": address})
        assert sender is not None
        assert sender.send(READY="1", STATUS="broker online")
        assert manager.take() == ["READY=1", "STATUS=broker online"]


def test_nothing_is_there_without_a_service_manager() -> None:
    assert NotifySocket.from_environment({}) is None
    assert NotifySocket.from_environment({"NOTIFY_SOCKET": ""}) is None


def test_an_address_of_another_kind_is_told_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    assert NotifySocket.from_environment({"NOTIFY_SOCKET": "vsock:2:1234"}) is None
    assert "vsock:2:1234" in caplog.text


def test_a_full_socket_does_not_block_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with ServiceManager(tmp_path / "notify") as manager:
        sender = NotifySocket(manager.address)
        taken = sum(sender.send(STATUS="x" * 1000) for _ in range(2000))
        assert 0 < taken < 2000
        assert len(caplog.records) == 1
        assert len(manager.take()) == taken
        assert sender.send(WATCHDOG="1")
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_service_manager_that_is_gone_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sender = NotifySocket(str(tmp_path / "nobody"))
    assert [sender.send(READY="1"), sender.send(READY="1")] == [False, False]
    assert len(caplog.records) == 1


def test_a_stream_socket_at_the_address_is_an_error_like_any(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "stream"))
        listener.listen()
        assert not NotifySocket(str(tmp_path / "stream")).send(READY="1")


@pytest.mark.parametrize(
    ("environ", "expected_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_s_period_is_for_this_process_only(
    environ: dict[str, str], expected_s: float | None
) -> None:
    assert watchdog_s(environ) == expected_s
