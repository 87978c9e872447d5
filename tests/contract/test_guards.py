from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.catalogue import command_specs
from edge_agent.config import load
from edge_agent.contract.guards import DEFAULT_LIMITS, Guards, RateLimit
from edge_agent.errors import ConfigError, RefusedError
from edge_agent.feature import discover
from tests.clocks import ManualClock
from tests.contract.desk import Desk

TIGHT = {"light": RateLimit(per_s=2, burst=3)}


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    clock = ManualClock()
    guards = Guards(clock=clock, limits=TIGHT)
    for _ in range(3):
        guards.spend("light")
    with pytest.raises(RefusedError, match=r"try again in 0\.5 s") as caught:
        guards.spend("light")
    assert caught.value.allowed == {"per_s": 2, "burst": 3, "retry_after_s": 0.5}
    clock.advance(0.5)
    guards.spend("light")
    with pytest.raises(RefusedError):
        guards.spend("light")
    clock.advance(3600)
    for _ in range(3):
        guards.spend("light")
    with pytest.raises(RefusedError):
        guards.spend("light")


def test_one_command_does_not_use_up_another_s() -> None:
    guards = Guards(clock=ManualClock(), limits={"*": RateLimit(per_s=1, burst=1)})
    guards.spend("exposure")
    guards.spend("image")
    with pytest.raises(RefusedError):
        guards.spend("image")


@pytest.mark.parametrize("name", ["exposure", "settings", "overlay"])
def test_hundreds_of_live_settings_at_once_pass(name: str) -> None:
    guards = Guards(clock=ManualClock())
    for _ in range(500):
        guards.spend(name)


def test_the_limits_are_of_commands_that_there_are() -> None:
    assert set(DEFAULT_LIMITS) - {spec.name for spec in command_specs(discover())} == {"*"}


async def test_too_many_are_answered_and_not_carried_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limits=TIGHT)
    replies = [await desk.ask("light", {"id": f"a{number}"}) for number in range(5)]
    assert [reply["state"] for reply in replies] == ["done"] * 3 + ["rejected"] * 2
    assert replies[-1]["error"]["code"] == "rate_limited"
    assert replies[-1]["error"]["allowed"]["retry_after_s"] == 0.5
    assert len(desk.handler.calls) == 3


async def test_the_same_id_may_be_tried_again_later(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limits={"light": RateLimit(per_s=1, burst=1)})
    await desk.ask("light")
    assert (await desk.ask("light", {"id": "a"}))["state"] == "rejected"
    desk.clock.advance(1)
    assert (await desk.ask("light", {"id": "a"}))["state"] == "done"


async def test_nonsense_is_counted_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limits=TIGHT)
    for _ in range(3):
        await desk.ask("light", {"no_such": 1})
    assert (await desk.ask("light"))["error"]["code"] == "rate_limited"


async def test_a_read_only_node_takes_what_changes_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, read_only=True)
    refused = await desk.ask("light", {"mode": "day"})
    assert (refused["state"], refused["error"]["code"]) == ("rejected", "read_only")
    assert "commands.read_only" in refused["error"]["message"]
    assert (await desk.ask("light", {"mode": "day", "dry_run": True}))["state"] == "done"
    assert (await desk.ask("nothing"))["state"] == "done"
    assert [call.dry_run for call in desk.handler.calls] == [True, False]


@pytest.mark.parametrize(
    ("command", "arguments", "changes"),
    [
        ("profile", {"action": "list"}, False),
        ("profile", {"name": "night"}, True),
        ("schedule", {"action": "list"}, False),
        ("schedule", {"action": "delete", "name": "x"}, True),
        ("logs", {"lines": 5}, False),
        ("logs", {"set_level": "debug"}, True),
        ("snapshot", {}, True),
        ("identify", {}, True),
    ],
)
def test_what_changes_something_is_declared(
    command: str, arguments: dict[str, object], changes: bool
) -> None:
    [spec] = [spec for spec in command_specs(discover()) if spec.name == command]
    assert spec.changes(spec.arguments.model_validate(arguments)) is changes


def test_limits_are_configured(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text('commands: {rate_limits: {"*": {per_s: 1, burst: 2}, snapshot: {per_s: 0.5, burst: 1}}}')
    limits = load(file, environ={}, sections={}).commands.rate_limits
    assert (limits["*"].burst, limits["snapshot"].per_s) == (2, 0.5)
    file.write_text("commands: {rate_limits: {snapshot: {per_s: 0, burst: 1}}}")
    with pytest.raises(ConfigError, match="per_s"):
        load(file, environ={}, sections={})
