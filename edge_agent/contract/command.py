"""A command, declared once: its name, arguments, main argument and meaning, and who carries it out."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from edge_agent.errors import RefusedError, suggestion

__all__ = [
    "Arguments",
    "Call",
    "Command",
    "CommandSpec",
    "Handler",
    "NoArguments",
    "Outcome",
    "Registry",
    "bound",
    "command",
    "declared",
]


class Arguments(BaseModel):
    """The arguments of a command: closed, and without NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoArguments(Arguments):
    """A command that takes nothing."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One command under way, as its handler sees it.

    `given` holds the arguments that the caller named, so that what was left out can be told from what
    equals its default. `progress` takes a share from 0 to 1 and is published as a `running` reply. One that
    is `resumed` was begun by an earlier agent: it has no arguments, the handler has kept what it was about.
    """

    arguments: Any
    given: Mapping[str, Any]
    cause: str
    dry_run: bool = False
    strict: bool = False
    progress: Callable[[float], None] = lambda _share: None
    resumed: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command did: what was really applied, which fields were clamped, and what else to tell."""

    applied: Mapping[str, Any] = field(default_factory=dict)
    clamped: tuple[str, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Outcome]]


def _takes_no_bare_value(value: Any) -> dict[str, Any]:
    raise RefusedError(
        "this command has no main argument: send a JSON object", code="invalid_arguments", value=value
    )


def _always(_arguments: Any) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """The declaration of a command.

    `bare` turns a payload that is no object (`25`, `ON`, `night`) into arguments; by default it is the value
    of `main`. A `slow` command is answered `accepted` before it starts. One that `ends_with_restart` is done
    when the agent is back. One that `resumes` outlives the agent: the next one calls its handler again, with
    `Call.resumed`, and answers. `changes` says of validated arguments whether they change anything: a node
    that is read-only takes only what does not.
    """

    name: str
    description: str
    arguments: type[BaseModel] = NoArguments
    main: str | None = None
    bare: Callable[[Any], Mapping[str, Any]] | None = None
    interrupts_stream: bool = False
    slow: bool = False
    ends_with_restart: bool = False
    resumes: bool = False
    changes: Callable[[Any], bool] = _always

    @property
    def outlives_agent(self) -> bool:
        """Whether the next agent answers it where this one is stopped meanwhile."""
        return self.ends_with_restart or self.resumes

    def from_bare(self, value: Any) -> Mapping[str, Any]:
        """Return the arguments that a bare value means. Raises RefusedError where it means nothing."""
        if self.bare is not None:
            return self.bare(value)
        if self.main is None:
            return _takes_no_bare_value(value)
        return {self.main: value}

    def document(self) -> dict[str, Any]:
        """Return the entry in `capabilities.commands`."""
        return {
            "description": self.description,
            "main": self.main,
            "arguments": self.arguments.model_json_schema(),
            "interrupts_stream": self.interrupts_stream,
        }


@dataclass(frozen=True)
class Command:
    """A declaration and who carries it out."""

    spec: CommandSpec
    handler: Handler


_SPEC_ATTRIBUTE = "__edge_agent_command__"

_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Outcome]])


def command(
    *,
    name: str,
    arguments: type[BaseModel] = NoArguments,
    main: str | None = None,
    bare: Callable[[Any], Mapping[str, Any]] | None = None,
    interrupts_stream: bool = False,
    slow: bool = False,
    ends_with_restart: bool = False,
    resumes: bool = False,
    changes: Callable[[Any], bool] = _always,
) -> Callable[[_Method], _Method]:
    """Declare the method below as a command; the first paragraph of its docstring is the description."""

    def declare(method: _Method) -> _Method:
        spec = CommandSpec(
            name=name,
            description=" ".join((inspect.getdoc(method) or "").partition("\n\n")[0].split()),
            arguments=arguments,
            main=main,
            bare=bare,
            interrupts_stream=interrupts_stream,
            slow=slow,
            ends_with_restart=ends_with_restart,
            resumes=resumes,
            changes=changes,
        )
        setattr(method, _SPEC_ATTRIBUTE, spec)
        return method

    return declare


def declared(owner: type) -> Iterator[CommandSpec]:
    """Yield what the methods of a class declare, by their names, without an instance of it."""
    for _, spec in _declarations(owner):
        yield spec


def bound(owner: object) -> Iterator[Command]:
    """Yield the commands that an object carries out."""
    for attribute, spec in _declarations(type(owner)):
        yield Command(spec, getattr(owner, attribute))


def _declarations(owner: type) -> Iterator[tuple[str, CommandSpec]]:
    for attribute, member in inspect.getmembers_static(owner):
        spec = getattr(member, _SPEC_ATTRIBUTE, None)
        if isinstance(spec, CommandSpec):
            yield attribute, spec


class Registry:
    """All commands of a node by their names."""

    def __init__(self, commands: Iterable[Command] = ()) -> None:
        self._commands: dict[str, Command] = {}
        self._documents: dict[str, dict[str, Any]] = {}
        for entry in commands:
            self.add(entry)

    def add(self, entry: Command) -> None:
        """Take in a command. Raises RefusedError where its name is taken."""
        if entry.spec.name in self._commands:
            raise RefusedError(f"there is a command '{entry.spec.name}' already", code="duplicate_command")
        self._commands[entry.spec.name] = entry

    def find(self, name: str) -> Command:
        """Return a command. Raises RefusedError that names the nearest one."""
        entry = self._commands.get(name)
        if entry is None:
            raise RefusedError(
                f"there is no command '{name[:64]}'{suggestion(name[:64], self._commands)}",
                code="unknown_command",
                value=name[:64],
                allowed=sorted(self._commands),
            )
        return entry

    def document(self) -> dict[str, Any]:
        """Return `capabilities.commands`. The first call makes all schemas, tens of milliseconds of work."""
        for name, entry in self._commands.items():
            if name not in self._documents:
                self._documents[name] = entry.spec.document()
        return dict(sorted(self._documents.items()))

    def __contains__(self, name: str) -> bool:
        return name in self._commands

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())
