from __future__ import annotations

import pytest

from edge_agent.contract.command import (
    Arguments,
    Call,
    Command,
    CommandSpec,
    Outcome,
    Registry,
    bound,
    command,
    declared,
)
from edge_agent.errors import RefusedError


class DimArguments(Arguments):
    level: float = 1.0


class Lamp:
    def __init__(self) -> None:
        self.dimmed: list[float] = []

    @command(name="dim", arguments=DimArguments, main="level", slow=True, interrupts_stream=True)
    async def dim(self, call: Call) -> Outcome:
        """Dim the lamp,
        as far as it goes.

        What else there is to say is for programmers.
        """
        self.dimmed.append(call.arguments.level)
        return Outcome()

    @command(name="blink")
    async def blink(self, call: Call) -> Outcome:
        """Blink."""
        return Outcome()


def spec(name: str) -> CommandSpec:
    return {entry.name: entry for entry in declared(Lamp)}[name]


def test_a_method_declares_a_command_once() -> None:
    assert {entry.name for entry in declared(Lamp)} == {"dim", "blink"}
    dim = spec("dim")
    assert dim.description == "Dim the lamp, as far as it goes."
    assert (dim.main, dim.slow, dim.interrupts_stream, dim.ends_with_restart) == ("level", True, True, False)


async def test_an_object_carries_out_what_its_class_declares() -> None:
    lamp = Lamp()
    commands = {entry.spec.name: entry for entry in bound(lamp)}
    await commands["dim"].handler(Call(arguments=DimArguments(level=0.5), given={}, cause="test"))
    assert lamp.dimmed == [0.5]


def test_the_capabilities_entry_says_what_the_contract_promises() -> None:
    entry = spec("dim").document()
    assert set(entry) == {"description", "main", "arguments", "interrupts_stream"}
    assert entry["main"] == "level"
    assert entry["arguments"]["properties"]["level"]["type"] == "number"
    assert entry["arguments"]["additionalProperties"] is False


def test_a_bare_value_is_the_main_argument() -> None:
    assert spec("dim").from_bare(0.5) == {"level": 0.5}
    with pytest.raises(RefusedError, match="no main argument"):
        spec("blink").from_bare(0.5)


def test_a_name_is_taken_once() -> None:
    registry = Registry(bound(Lamp()))
    with pytest.raises(RefusedError, match="there is a command 'dim' already"):
        registry.add(Command(spec("dim"), Lamp().dim))
    assert [entry.spec.name for entry in registry] == ["blink", "dim"]
    assert list(registry.document()) == ["blink", "dim"]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(RefusedError) as refused:
        Registry(bound(Lamp())).find("blnik" + "x" * 5000)
    assert len(refused.value.message) < 200
    with pytest.raises(RefusedError, match="did you mean 'blink'"):
        Registry(bound(Lamp())).find("blnik")
