"""What is looked for, when, and what is refused; test_through_mqtt has the rest."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contract.command import Outcome, Registry
from edge_agent.contract.commands import Commands
from edge_agent.errors import EdgeAgentError, RefusedError
from edge_agent.updates.config import UpdatesConfig
from edge_agent.updates.feature import UpdatesFeature
from edge_agent.updates.helper import Helper
from edge_agent.updates.sources import Told
from tests.clocks import ManualClock
from tests.features import Desk
from tests.profiles.house import FakeCamera
from tests.updates.machine import CODE, FakeHelper, Machine

HOUR_S = 3600.0


async def eventually(fact: Callable[[], Any]) -> None:
    """Wait for programs that run, and for threads."""
    async with asyncio.timeout(20):
        while not fact():  # noqa: ASYNC110 - a program's end is no event here
            await asyncio.sleep(0.01)


class Node:
    """`agent` is one life of its feature."""

    def __init__(self, directory: Path, short: Path) -> None:
        self.state = directory / "state"
        self.machine = Machine(directory / "machine")
        self.helper = FakeHelper(short)
        self.clock = ManualClock()
        self.environ: dict[str, str] = {}
        self.feature: UpdatesFeature | None = None
        self.commands = Commands(registry=Registry())
        self.desk = self._desk()

    def _desk(self) -> Desk:
        return Desk(
            state_dir=self.state,
            camera=FakeCamera(),
            clock=self.clock,
            sections={"updates": UpdatesConfig},
            environ={f"EDGE_AGENT_UPDATES__{name}": value for name, value in self.environ.items()},
        )

    @asynccontextmanager
    async def agent(self, **environ: str) -> AsyncIterator[None]:
        self.environ = environ
        self.desk = self._desk()
        host = self.desk.host
        feature = UpdatesFeature(
            host=host,
            config=host.configuration.section("updates", UpdatesConfig),
            path=self.machine.path,
            helper=Helper(socket=self.helper.socket, result=self.helper.result),
            code=CODE,
        )
        for entry in feature.commands():
            self.desk.registry.add(entry)
        async with feature:
            feature.ready()
            self.feature = feature
            # It waits for its first look, or has nobody to ask.
            await eventually(lambda: self.sleeping() or (feature._task and feature._task.done()))
            yield

    def sleeping(self) -> list[float]:
        """Return how long those who wait have still to wait."""
        now_s = self.clock.monotonic()
        return [due_s - now_s for due_s, woken in self.clock._sleepers if not woken.done()]

    def told(self, name: str) -> Any:
        assert self.feature is not None
        return getattr(self.feature._status(), name)

    async def update(self, action: str = "check", **more: Any) -> Outcome:
        arguments = {"action": action, **more}
        return await self.desk.host.commands.execute("update", arguments, cause="command 1")

    async def pass_by(self, hours: float) -> None:
        """Let time pass, and those who look have looked."""
        await eventually(self.sleeping)
        before = self.told("checked_at")
        self.clock.advance(hours * HOUR_S)
        await eventually(lambda: self.told("checked_at") != before and self.sleeping())

    def events(self) -> list[Any]:
        return [
            (event["event_type"], event.get("latest", event.get("version")))
            for event in self.desk.events("update")
        ]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    # A socket's path is short.
    with tempfile.TemporaryDirectory() as short:
        yield Node(tmp_path, Path(short))


async def test_it_is_looked_for_by_itself_and_told_once(node: Node) -> None:
    async with node.agent():
        assert (node.told("installed"), node.told("latest"), node.told("newer")) == ("1.0", None, None)
        node.machine.candidate("1.1")
        await node.pass_by(0.2)
        assert (node.told("latest"), node.told("newer"), node.told("source")) == ("1.1", True, "apt")
        await node.pass_by(27)
        assert node.events() == [("available", "1.1")]
        node.machine.candidate("1.2")
        await node.pass_by(27)
        assert node.events() == [("available", "1.1"), ("available", "1.2")]


async def test_what_was_found_outlives_a_restart_and_is_not_looked_for_again_at_once(node: Node) -> None:
    node.machine.candidate("1.1")
    async with node.agent():
        await node.update()
    async with node.agent():
        assert (node.told("latest"), node.told("newer")) == ("1.1", True)
        assert node.events() == []
        assert node.sleeping() == pytest.approx([24 * HOUR_S])
    # Another way updated it.
    node.machine.package("1.2")
    async with node.agent():
        assert (node.told("installed"), node.told("latest"), node.told("newer")) == ("1.2", "1.2", False)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"latest": "$(x)"}', b'{"checked_at": "2026-06-15"}', b"\xff"]
)
async def test_a_damaged_file_stops_nobody(node: Node, content: bytes) -> None:
    node.state.mkdir()
    (node.state / "updates.json").write_bytes(content)
    async with node.agent():
        assert (await node.update()).result["latest"] == "1.0"


async def test_where_nobody_tells_it_is_said_so(node: Node) -> None:
    node.machine.without("dpkg-query")
    async with node.agent(INSTALL="true"):
        assert (node.told("source"), node.told("latest"), node.told("state")) == (None, None, "idle")
        assert "did not come as a Debian package" in node.told("obstacle")
        with pytest.raises(RefusedError, match=r"set updates\.url"):
            await node.update()
        with pytest.raises(RefusedError, match="did not come as a Debian package"):
            await node.update("install")


async def test_a_url_tells_where_it_is_no_package(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    # By dpkg's rules, which are not asked here, it would not be newer.
    monkeypatch.setattr("edge_agent.updates.feature.__version__", "1.0rc1")
    monkeypatch.setattr("edge_agent.updates.feature.ask_url", lambda _url, _ca: Told(version="1.0"))
    node.machine.files(Path("/opt/x.py"))
    node.machine.program("dpkg", 'exec /usr/bin/dpkg "$@"')
    async with node.agent(URL="https://host/latest"):
        await node.update()
        assert (node.told("source"), node.told("latest"), node.told("newer")) == ("url", "1.0", True)
        assert node.events() == [("available", "1.0")]


async def test_a_look_that_fails_is_told_and_tried_again(node: Node) -> None:
    async with node.agent():
        node.machine.candidate("(none)")
        node.clock.advance(HOUR_S)
        await eventually(lambda: node.told("error"))
        assert "apt knows no version" in node.told("error")
        node.machine.candidate("1.1")
        await node.pass_by(27)
        assert (node.told("error"), node.told("latest")) == (None, "1.1")


async def test_lists_that_cannot_be_read_anew_are_used_as_they_are(node: Node) -> None:
    node.helper.refresh_ends = "failed"
    node.machine.candidate("1.1")
    with node.helper:
        async with node.agent():
            assert (await node.update()).result["latest"] == "1.1"
    assert node.helper.refreshes == 1


@pytest.mark.parametrize(
    ("environ", "there", "package", "message"),
    [
        ({}, True, True, r"updates\.install is false; .*--allow-updates"),
        ({"INSTALL": "true"}, False, True, r"edge-agent-update\.socket does not run; .*--allow-updates"),
        ({"INSTALL": "true"}, True, False, "update it the way it was installed"),
    ],
)
async def test_what_is_not_allowed_is_refused_and_not_offered(
    node: Node, environ: dict[str, str], message: str, *, there: bool, package: bool
) -> None:
    if not package:
        node.machine.files(Path("/opt/x.py"))
    if there:
        node.helper.__enter__()
    try:
        async with node.agent(**environ):
            for more in ({}, {"version": "2.0"}):
                with pytest.raises(RefusedError, match=message) as caught:
                    await node.update("install", **more)
                assert caught.value.code == "update_not_allowed"
            assert node.feature is not None
            [entity] = node.feature.entities()
            assert (entity.key, entity.command) == ("agent", None)
            assert node.helper.requests.empty()
    finally:
        if there:
            node.helper.__exit__(None, None, None)


@pytest.mark.parametrize("there", [True, False])
async def test_it_is_offered_where_it_is_allowed_and_not_denied(node: Node, *, there: bool) -> None:
    with node.helper:
        async with node.agent(INSTALL="true"):
            assert node.feature is not None
            if not there:
                # As where `commands.deny` has it.
                node.desk.registry._commands.clear()
            [entity] = node.feature.entities()
            assert entity.command == ("update" if there else None)


async def test_what_is_no_update_asks_nobody(node: Node) -> None:
    with node.helper:
        async with node.agent(INSTALL="true"):
            assert (await node.update("install")).result["message"] == "1.0 is installed"
            with pytest.raises(RefusedError, match=r"0\.9 is not newer than 1\.0"):
                await node.update("install", version="0.9")
            with pytest.raises(RefusedError, match="version"):
                await node.update("install", version="2.0; reboot")
            with pytest.raises(RefusedError, match="goes with the action install"):
                await node.update("check", version="2.0")
            node.machine.candidate("2.0")
            dry = await node.desk.host.commands.execute(
                "update", {"action": "install", "version": "2.0"}, cause="command 1", dry_run=True
            )
            assert dry.applied == {"version": "2.0"}
        assert node.helper.requests.empty()
        assert node.events() == []


async def test_a_helper_that_refuses_leaves_nothing_behind(node: Node) -> None:
    with node.helper:
        async with node.agent(INSTALL="true"):
            node.helper.say({"state": "refused", "message": "another one is under way"})
            node.helper.cut()
            with pytest.raises(RefusedError, match="another one is under way") as caught:
                await node.update("install", version="2.0")
            assert caught.value.code == "update_refused"
            assert (node.told("state"), node.told("progress")) == ("idle", None)
            assert node.events() == []
            assert node.desk.problem_codes() == set()


@pytest.mark.parametrize("words", [(), (b"nonsense\n",), (b"x" * 100_000,)])
async def test_a_helper_that_says_nothing_of_sense_is_a_failure(node: Node, words: tuple[bytes, ...]) -> None:
    with node.helper:
        async with node.agent(INSTALL="true"):
            node.helper.say(*words)
            node.helper.cut()
            with pytest.raises(EdgeAgentError, match="the update helper"):
                await node.update("install", version="2.0")
            assert node.told("state") == "idle"


async def test_one_at_a_time_and_its_end_is_told(node: Node) -> None:
    with node.helper:
        async with node.agent(INSTALL="true"):
            first = asyncio.create_task(node.update("install", version="2.0"))
            await eventually(lambda: node.told("state") == "installing")
            with pytest.raises(RefusedError, match=r"2\.0 is being installed already") as caught:
                await node.update("install", version="2.1")
            assert caught.value.code == "busy"
            node.helper.say(
                {"state": "accepted"}, {"state": "failed", "message": "E: no https://me:secret@archive/ x"}
            )
            node.helper.cut()
            with pytest.raises(EdgeAgentError, match=r"E: no https://me:\*\*\*@archive/ x"):
                await first
            assert (node.told("state"), node.told("target")) == ("failed", "2.0")
            assert node.desk.problem_codes() == {"update_failed"}
            node.helper.words.queue.clear()
            node.helper.say({"state": "accepted"}, {"state": "done", "message": "2.0 is online"})
            node.helper.cut()
            assert (await node.update("install", version="2.0")).applied == {"version": "2.0"}
            assert (node.told("state"), node.desk.problem_codes()) == ("idle", set())
    assert [kind for kind, _ in node.events()] == ["installing", "failed", "installing", "done"]


async def test_an_installation_that_the_helper_never_heard_of_fails_after_a_restart(node: Node) -> None:
    node.state.mkdir()
    (node.state / "updates.json").write_text(
        '{"pending": {"id": "0a", "version": "2.0", "previous": "1.0", "cause": "command a1"}}'
    )
    # Of another time.
    node.helper.result.write_text('{"id": "0b", "state": "done"}')
    async with node.agent():
        assert (node.told("state"), node.told("target")) == ("installing", None)
        await eventually(lambda: len(node.sleeping()) == 2)
        node.clock.advance(31)
        await eventually(node.desk.problem_codes)
        assert (node.told("state"), node.told("target")) == ("failed", "2.0")
        assert "never heard of it" in node.told("error")
        assert node.desk.problem_codes() == {"update_failed"}
        await eventually(node.events)
        assert node.events() == [("failed", "2.0")]
