"""Commands that the agent itself wants."""

from __future__ import annotations

import pytest

from edge_agent.contract.command import Arguments, Call, Command, CommandSpec, Outcome, Registry
from edge_agent.contract.commands import Commands
from edge_agent.errors import RefusedError


class LampArguments(Arguments):
    level: int


def _lamp(calls: list[Call]) -> Registry:
    async def handle(call: Call) -> Outcome:
        calls.append(call)
        return Outcome(applied={"level": call.arguments.level})

    spec = CommandSpec(name="lamp", description="Light.", arguments=LampArguments, main="level")
    return Registry([Command(spec, handle)])


async def test_a_command_is_carried_out_with_its_cause() -> None:
    calls: list[Call] = []
    outcome = await Commands(registry=_lamp(calls)).execute("lamp", {"level": 3}, cause="schedule dusk")
    assert outcome.applied == {"level": 3}
    assert calls[0].cause == "schedule dusk"
    assert calls[0].given == {"level": 3}


async def test_a_bare_value_is_the_main_argument() -> None:
    calls: list[Call] = []
    await Commands(registry=_lamp(calls)).execute("lamp", 7, cause="schedule dusk")
    assert calls[0].arguments.level == 7


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [("lamb", {"level": 1}, "lamp"), ("lamp", {"level": "much"}, "level"), ("lamp", {}, "level")],
)
async def test_what_is_wrong_is_refused_and_not_carried_out(name: str, arguments: object, says: str) -> None:
    calls: list[Call] = []
    commands = Commands(registry=_lamp(calls))
    with pytest.raises(RefusedError, match=says):
        commands.check(name, arguments)
    with pytest.raises(RefusedError, match=says):
        await commands.execute(name, arguments, cause="schedule dusk")
    assert calls == []


async def test_what_is_denied_is_denied_to_the_agent_itself() -> None:
    calls: list[Call] = []
    commands = Commands(registry=_lamp(calls), deny=frozenset({"lamp"}))
    with pytest.raises(RefusedError) as caught:
        await commands.execute("lamp", 1, cause="schedule dusk")
    assert caught.value.code == "denied"
    assert calls == []


def test_what_is_denied_or_unknown_is_not_among_them() -> None:
    assert "lamp" in Commands(registry=_lamp([]))
    assert "lamp" not in Commands(registry=_lamp([]), deny=frozenset({"lamp"}))
    assert "lump" not in Commands(registry=_lamp([]))
