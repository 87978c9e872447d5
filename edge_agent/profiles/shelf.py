"""What the command `profile` does with profiles beside applying them: save, delete, list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from edge_agent.contract.command import Call, Outcome
from edge_agent.profiles.applying import Applier
from edge_agent.profiles.config import ProfileArguments
from edge_agent.profiles.library import Library
from edge_agent.profiles.profile import DEFAULTS, Definition

__all__ = ["Shelf"]


class Shelf:
    """`changed` is told what happened, to which profile, and why."""

    def __init__(
        self, *, library: Library, applier: Applier, changed: Callable[[str, str, str], None]
    ) -> None:
        self._library = library
        self._applier = applier
        self._changed = changed

    async def save(self, call: Call, arguments: ProfileArguments) -> Outcome:
        """Save one, as given or as the camera is set now, or several. Raises RefusedError, StorageError."""
        definitions = dict(arguments.profiles or {})
        if arguments.name is not None:
            definitions = {arguments.name: self._definition(arguments)}
        before = {name: self._saved(name) for name in definitions}
        self._library.check(definitions)
        if not call.dry_run:
            await asyncio.to_thread(self._library.save, definitions)
            for name in definitions:
                self._changed("saved", name, call.cause)
        return Outcome(
            applied={name: definition.document() for name, definition in definitions.items()},
            result={"replaced": before},
        )

    async def delete(self, call: Call, name: str) -> Outcome:
        """Delete a saved one. Raises RefusedError, StorageError."""
        self._library.check_deletion(name)
        before = self._saved(name)
        if not call.dry_run:
            await asyncio.to_thread(self._library.delete, name)
            self._changed("deleted", name, call.cause)
        return Outcome(result={"deleted": name, "was": before})

    def listed(self, active: str | None) -> list[dict[str, Any]]:
        """Return all of them, for people who choose one."""
        profiles = self._library.profiles
        return [
            {
                "name": profile.name,
                "description": profile.definition.description,
                "extends": profile.definition.extends,
                "partial": profile.definition.partial,
                "source": profile.source,
                "active": profile.name == active,
            }
            for profile in (profiles.find(name) for name in profiles.names)
        ]

    def _definition(self, arguments: ProfileArguments) -> Definition:
        """Return what is to be saved: as given, or else what is set now, on what it extends."""
        definition = arguments.definition()
        if definition.settings is not None:
            return definition
        below = definition.extends or DEFAULTS
        patch = self._applier.what_is_set(self._library.profiles.wanted(below))
        return Definition.model_validate(
            {
                "description": definition.description,
                "extends": below,
                "partial": definition.partial,
                "stream": definition.stream,
                "settings": patch,
            }
        )

    def _saved(self, name: str) -> dict[str, Any] | None:
        profiles = self._library.profiles
        if name not in profiles.names or profiles.find(name).source != "saved":
            return None
        return profiles.find(name).definition.document()
