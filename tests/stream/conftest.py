"""A camera and a place for its socket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rtsp_servers import ReceiverProcess, free_port
from tests.stream.fakes import FakeCamera


@pytest.fixture
def packet_socket() -> Iterator[Path]:
    """A path that is short enough for a socket, whatever the test is called."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "packets"


@pytest.fixture
def camera(packet_socket: Path) -> Iterator[FakeCamera]:
    camera = FakeCamera(packet_socket)
    yield camera
    camera.close()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ReceiverProcess]:
    with ReceiverProcess(port=free_port(), picture=tmp_path / "latest.jpg") as receiver:
        yield receiver
