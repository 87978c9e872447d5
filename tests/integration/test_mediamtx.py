"""A whole agent with a real MediaMTX: what status says when that hangs, is contested, or is watched."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.mediamtx import MediaMtx, mediamtx_executable
from tests.rtsp_servers import wait_until

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        mediamtx_executable() is None, reason="needs MediaMTX in PATH or named by MEDIAMTX_EXECUTABLE"
    ),
]

SHIPPED = Path(__file__).parents[2] / "systemd" / "mediamtx.yml"
SIZE = (320, 240)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MediaMtx]:
    with MediaMtx(tmp_path) as process:
        yield process


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[MediaMtx]:
    with MediaMtx(tmp_path, file=SHIPPED) as process:
        yield process


def agent_of(
    mediamtx: MediaMtx, directory: Path, mosquitto: Mosquitto, listener: Listener, **stream: Any
) -> AgentProcess:
    api = {"api": mediamtx.api_url, "poll_s": 0.5}
    node = stream.pop("node", "porch")
    directory = directory / node
    directory.mkdir()
    return AgentProcess(
        directory,
        port=mosquitto.port,
        listener=listener,
        node=node,
        stream={"enabled": True, "url": mediamtx.url(), "server": api, **stream},
    )


def _is(state: str, server: str | None = None, **seen: Any) -> Any:
    def accepts(status: Any) -> bool:
        stream = status["stream"]
        return (
            stream["state"] == state
            and server in (None, stream["server"]["state"])
            and all(stream["server"][name] == value for name, value in seen.items())
        )

    return accepts


def _codes(status: Any) -> set[str]:
    return {problem["code"] for problem in status["problems"]}


def _picture(url: str, *, size: tuple[int, int] = SIZE) -> float:
    """Read until a picture of this size comes; return how long it took."""
    begin_s = time.monotonic()
    options = {"rtsp_transport": "tcp", "probesize": "32", "analyzeduration": "0"}
    with av.open(url, options=options, timeout=20) as stream:
        for frame in stream.decode(video=0):
            if (frame.width, frame.height) == size:
                return time.monotonic() - begin_s
            assert time.monotonic() - begin_s < 30, "only other pictures came"
    raise AssertionError("the stream ended without such a picture")


def test_the_shipped_configuration_takes_the_agent_and_lets_viewers_in(
    tmp_path: Path, shipped: MediaMtx, mosquitto: Mosquitto, listener: Listener
) -> None:
    assert shipped.path()["online"] is False
    with agent_of(shipped, tmp_path, mosquitto, listener):
        status = AgentStatus(listener).wait(_is("publishing", "ok", online=True, readers=0))
        assert _codes(status) == set()
        assert status["stream"]["urls"]["rtsp"].endswith(f":{shipped.rtsp_port}/porch")
        _picture(shipped.url())


def test_the_shipped_configuration_s_passwords_come_from_the_environment(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    secret = {"MTX_AUTHINTERNALUSERS_0_USER": "agent", "MTX_AUTHINTERNALUSERS_0_PASS": "hunter2"}
    with MediaMtx(tmp_path, file=SHIPPED, environment=secret) as server:
        with agent_of(server, tmp_path, mosquitto, listener):
            refused = AgentStatus(listener).wait(_is("failed", "away"))
            assert refused["stream"]["code"] == "stream_refused_credentials"
            assert "stream.server.username" in refused["stream"]["server"]["reason"]
        api = {"api": server.api_url, "poll_s": 0.5, "username": "agent", "password": "hunter2"}
        url = server.url(user="agent:hunter2")
        with agent_of(server, tmp_path, mosquitto, listener, node="gate", url=url, server=api) as agent:
            AgentStatus(listener, "gate").wait(_is("publishing", "ok", online=True))
            assert "hunter2" not in agent.log()
    assert all(b"hunter2" not in seen.payload for seen in listener.seen)


def test_a_server_that_hangs_is_noticed_and_its_return_too(
    tmp_path: Path, server: MediaMtx, mosquitto: Mosquitto, listener: Listener
) -> None:
    with agent_of(server, tmp_path, mosquitto, listener):
        status = AgentStatus(listener)
        status.wait(_is("publishing", "ok", online=True))
        server.freeze()
        hangs = status.wait(_is("failed"), timeout_s=15)
        assert hangs["stream"]["code"] == "server_silent"
        assert _codes(hangs) == {"server_silent"}
        server.thaw()
        status.wait(lambda seen: _is("publishing", "ok")(seen) and not seen["problems"], timeout_s=30)


def test_a_server_that_is_killed_is_found_again(
    tmp_path: Path, server: MediaMtx, mosquitto: Mosquitto, listener: Listener
) -> None:
    with agent_of(server, tmp_path, mosquitto, listener):
        status = AgentStatus(listener)
        status.wait(_is("publishing", "ok", online=True))
        server.kill()
        gone = status.wait(_is("failed", "away"))
        assert gone["stream"]["code"] == "stream_unreachable"
        assert _codes(gone) == {"stream_down"}
        server.start()
        status.wait(_is("publishing", "ok", online=True), timeout_s=30)


def test_two_agents_on_one_path_do_not_fight(
    tmp_path: Path, server: MediaMtx, mosquitto: Mosquitto, listener: Listener
) -> None:
    with (
        agent_of(server, tmp_path, mosquitto, listener),
        agent_of(server, tmp_path, mosquitto, listener, node="gate"),
    ):

        def contested() -> list[Any]:
            statuses = [seen.json for seen in listener.seen if seen.topic.endswith("/status")]
            return [status for status in statuses if status["stream"]["code"] == "stream_contested"]

        wait_until(lambda: bool(contested()), timeout_s=40, what="a contest")
        assert "stream_contested" in _codes(contested()[0])
        loser = contested()[0]["node"]["id"]
        winner = "gate" if loser == "porch" else "porch"
        AgentStatus(listener, winner).wait(_is("publishing", "ok"), timeout_s=30)


def test_on_demand_by_the_server_s_hook(tmp_path: Path, mosquitto: Mosquitto, listener: Listener) -> None:
    publish = shutil.which("mosquitto_pub")
    if publish is None:
        pytest.skip("needs mosquitto_pub: apt-get install mosquitto-clients")
    hook = f"{publish} -h 127.0.0.1 -p {mosquitto.port} -t edge/v1/porch/cmd/stream -m"
    paths = (
        f"paths:\n  porch:\n    runOnDemand: {hook} demand\n    runOnUnDemand: {hook} release\n"
        "    runOnDemandCloseAfter: 1s\n"
    )
    with (
        MediaMtx(tmp_path, paths=paths) as server,
        agent_of(server, tmp_path, mosquitto, listener, mode="on_demand", grace_s=2) as agent,
    ):
        status = AgentStatus(listener)
        idle = status.wait(_is("waiting", "ok", online=False))
        assert idle["stream"]["reason"] == "nobody is watching"
        _picture(server.url())
        status.wait(_is("publishing"))
        status.wait(_is("waiting", readers=0))
        assert agent.command("snapshot")["state"] == "done", "pictures need no stream"
        assert agent.command("stream", {"action": "stop"})["state"] == "done"
        status.wait(_is("stopped"))


def test_on_demand_by_who_waits_at_a_path_that_is_always_available(
    tmp_path: Path, shipped: MediaMtx, mosquitto: Mosquitto, listener: Listener
) -> None:
    with agent_of(shipped, tmp_path, mosquitto, listener, mode="on_demand", grace_s=2):
        status = AgentStatus(listener)
        status.wait(_is("waiting", "ok", online=False))
        _picture(shipped.url())
        status.wait(_is("waiting", "ok", readers=0))


class AgentStatus:
    """A node's status, waited for in order: each wait begins where the last one ended."""

    def __init__(self, listener: Listener, node: str = "porch") -> None:
        self._listener = listener
        self._topic = f"edge/v1/{node}/status"
        self._since = 0

    def wait(self, accept: Any, *, timeout_s: float = 20.0) -> Any:
        found = self._listener.wait(
            self._topic, lambda seen: accept(seen.json), since=self._since, timeout_s=timeout_s
        )
        self._since = self._listener.seen.index(found)
        return found.json
