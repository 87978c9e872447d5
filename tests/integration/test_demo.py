"""The demo as one starts it: it shows a live stream, ends as asked, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.rtsp_servers import wait_until

pytest.importorskip("amqtt", reason="needs amqtt, the demo's broker: pip install edge-agent[demo]")
pytestmark = [pytest.mark.timeout(120), pytest.mark.alone]

_STOP_S = 20


class _Demo:
    """`edge-agent demo --plain`, with a folder of its own for what is temporary."""

    def __init__(self, directory: Path, *options: str, **environ: str) -> None:
        self.temporary = directory / "temporary"
        self.temporary.mkdir()
        self._output = directory / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge_agent", "demo", "--plain", *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "TMPDIR": str(self.temporary), **environ},
                # As a terminal does for a program in the foreground, so that a signal finds only this one.
                start_new_session=True,
            )
        self._seen: set[psutil.Process] = set()

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def wait_for_frames(self) -> None:
        """Wait until the receiver has some, and remember every process there is by then."""
        wait_until(
            lambda: self.process.poll() is not None or _received(self.output()) > 0,
            timeout_s=60,
            what="a received frame",
        )
        self._seen |= set(psutil.Process(self.process.pid).children(recursive=True))
        assert len(self._seen) >= 5, "broker, receiver, agent, camera and publisher"

    def kill(self) -> None:
        """End whatever a failed test would leave."""
        self.process.kill()
        self.process.wait()
        for process in self._seen:
            if process.is_running():
                process.kill()

    def left_behind(self) -> tuple[list[str], list[str]]:
        """Return the files and the processes that outlived it."""
        files = [path.name for path in self.temporary.iterdir()]
        return files, [str(process) for process in self._seen if process.is_running()]


def _received(output: str) -> int:
    return max(map(int, re.findall(r"received (\d+) frames", output)), default=0)


def test_it_ends_by_itself_after_it_has_shown_a_stream(tmp_path: Path) -> None:
    # What is configured for an agent of this machine means nothing to the demo.
    demo = _Demo(tmp_path, "--seconds", "12", EDGE_AGENT_CONFIG=str(tmp_path / "none.yaml"))
    try:
        demo.wait_for_frames()
        assert demo.process.wait(12 + _STOP_S) == 0, demo.output()
        assert demo.left_behind() == ([], [])
    finally:
        demo.kill()
    assert "online: camera running, stream publishing" in demo.output()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_interrupted_it_ends_with_all_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    demo = _Demo(tmp_path)
    try:
        demo.wait_for_frames()
        demo.process.send_signal(number)
        assert demo.process.wait(_STOP_S) == 0, demo.output()
        assert demo.left_behind() == ([], [])
    finally:
        demo.kill()
    assert "Traceback" not in demo.output()


def test_a_broker_that_is_not_there_is_told(tmp_path: Path) -> None:
    demo = _Demo(tmp_path, "--broker", "127.0.0.1:1", "--seconds", "3")
    try:
        assert demo.process.wait(3 + _STOP_S) == 1, demo.output()
    finally:
        demo.kill()
    assert "Traceback" not in demo.output()
    assert demo.left_behind() == ([], [])
