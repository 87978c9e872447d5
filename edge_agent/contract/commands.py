"""Commands that the agent itself wants carried out: a schedule's, the wanted state's, a time-lapse's.

They take the same way as those from the wire, without an envelope and without an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edge_agent.contract.command import Call, Command, Outcome, Registry
from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError

__all__ = ["Commands", "refuse_denied"]


def refuse_denied(name: str, deny: frozenset[str]) -> None:
    """Raise RefusedError where the configuration denies a command, whoever asks for it."""
    if name in deny:
        raise RefusedError(f"this node does not take '{name}' (commands.deny)", code="denied")


class Commands:
    """All commands of this node, by name. `arguments` is an object or the bare value of the main argument."""

    def __init__(self, *, registry: Registry, deny: frozenset[str] = frozenset()) -> None:
        self._registry = registry
        self._deny = deny

    def __contains__(self, name: object) -> bool:
        """Whether there is such a command here and the configuration does not deny it."""
        return name not in self._deny and any(entry.spec.name == name for entry in self._registry)

    def check(self, name: str, arguments: Any = None) -> None:
        """Raise RefusedError where such a command would be refused before it is carried out."""
        self._understood(name, arguments)

    async def execute(
        self,
        name: str,
        arguments: Any = None,
        *,
        cause: str,
        strict: bool = False,
        dry_run: bool = False,
        progress: Callable[[float], None] = lambda _share: None,
    ) -> Outcome:
        """Carry out a command and return what it came to. Raises EdgeAgentError as its handler does."""
        command, given, validated = self._understood(name, arguments)
        return await command.handler(
            Call(
                arguments=validated,
                given=given,
                cause=cause,
                strict=strict,
                dry_run=dry_run,
                progress=progress,
            )
        )

    def _understood(self, name: str, arguments: Any) -> tuple[Command, dict[str, Any], Any]:
        refuse_denied(name, self._deny)
        command = self._registry.find(name)
        if arguments is None:
            given: dict[str, Any] = {}
        elif isinstance(arguments, Mapping):
            given = dict(arguments)
        else:
            given = dict(command.spec.from_bare(arguments))
        return command, given, validate(command.spec.arguments, given)
