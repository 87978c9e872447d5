"""The steps to a wanted state: each is checked before any is done, and can be undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.contract.command import Outcome
from edge_agent.contract.commands import Commands
from edge_agent.desired.document import Desired
from edge_agent.errors import RefusedError

__all__ = ["Step", "Steps", "Undo"]

Undo = Callable[[], Awaitable[None]]
_OWN_FIELDS: Final = ("settings", "stream")
_NOT_A_DEFINITION: Final = frozenset({"action", "name", "if_version", "offset"})


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. `field` is the document's part that it brings about; `do` returns how to undo it."""

    field: str
    check: Callable[[], Awaitable[None]]
    do: Callable[[], Awaitable[Undo | None]]


class Steps:
    """Makes the steps of one document; `holds` is what was read back of settings and stream, when done."""

    def __init__(self, *, document: Desired, commands: Commands, cause: str) -> None:
        self._document = document
        self._commands = commands
        self._cause = cause
        self.holds: dict[str, Any] = {}

    def first(self) -> list[Step]:
        """Return what has to be there before the rest can be checked: the profiles."""
        profiles = self._document.profiles
        return [self._profiles(profiles)] if profiles else []

    def rest(self, *, owned_schedules: frozenset[str]) -> list[Step]:
        """Return everything else, the camera and its stream last. Owned ones that are not wanted go."""
        document = self._document
        steps: list[Step] = []
        if document.day_night:
            steps.append(self._day_night(document.day_night))
        if document.schedules is not None:
            steps += [self._schedule(name, fields) for name, fields in document.schedules.items()]
            gone = sorted(owned_schedules - document.schedules.keys())
            steps += [self._no_schedule(name) for name in gone]
        if document.profile is not None:
            steps.append(self._profile(document.profile))
        elif document.settings:
            steps.append(self._settings(document.settings))
        if document.profile is None and document.stream is not None:
            steps.append(self._stream(enabled=document.stream.enabled))
        return steps

    async def forget_profiles(self, names: frozenset[str]) -> None:
        """Delete profiles that an earlier document brought and nothing stands on any more."""
        for name in sorted(names):
            try:
                await self._run("profile", {"action": "delete", "name": name})
            except RefusedError as error:
                # Somebody has deleted it already, or needs it: then it is theirs.
                if error.code not in ("unknown_profile", "not_deletable"):
                    raise

    async def _run(self, name: str, arguments: Mapping[str, Any], *, dry_run: bool = False) -> Outcome:
        return await self._commands.execute(name, arguments, cause=self._cause, dry_run=dry_run)

    async def _undo(self, name: str, arguments: Mapping[str, Any]) -> None:
        await self._commands.execute(name, arguments, cause=f"{self._cause}, undone")

    def _check(self, field: str, name: str, arguments: Mapping[str, Any]) -> Callable[[], Awaitable[None]]:
        async def check() -> None:
            with _told_of(field):
                await self._run(name, arguments, dry_run=True)

        return check

    def _profiles(self, definitions: Mapping[str, Any]) -> Step:
        arguments = {"action": "save", "profiles": dict(definitions)}

        async def do() -> Undo:
            outcome = await self._run("profile", arguments)
            replaced: Mapping[str, Any] = outcome.result.get("replaced", {})

            async def undo() -> None:
                before = {name: definition for name, definition in replaced.items() if definition is not None}
                if before:
                    await self._undo("profile", {"action": "save", "profiles": before})
                for name in replaced.keys() - before.keys():
                    await self._undo("profile", {"action": "delete", "name": name})

            return undo

        return Step(field="profiles", check=self._check("", "profile", arguments), do=do)

    def _day_night(self, rules: Mapping[str, Any]) -> Step:
        async def do() -> Undo:
            before = (await self._run("day_night", {}, dry_run=True)).applied
            await self._run("day_night", rules)
            return lambda: self._undo("day_night", before)

        return Step(field="day_night", check=self._check("day_night", "day_night", rules), do=do)

    def _schedule(self, name: str, fields: Mapping[str, Any]) -> Step:
        field = f"schedules.{name}"
        arguments = {**fields, "action": "set", "name": name}

        async def check() -> None:
            if wrong := sorted(_NOT_A_DEFINITION & fields.keys()):
                raise RefusedError(
                    f"'{field}.{wrong[0]}' is no part of a schedule",
                    code="invalid_arguments",
                    field=f"{field}.{wrong[0]}",
                )
            with _told_of(field):
                await self._run("schedule", arguments, dry_run=True)

        async def do() -> Undo:
            before = await self._saved_schedule(name)
            await self._run("schedule", arguments)
            return lambda: self._put_back(name, before)

        return Step(field=field, check=check, do=do)

    def _no_schedule(self, name: str) -> Step:
        async def check() -> None:
            return None

        async def do() -> Undo | None:
            before = await self._saved_schedule(name)
            if before is None:
                return None
            await self._run("schedule", {"action": "delete", "name": name})
            return lambda: self._put_back(name, before)

        return Step(field=f"schedules.{name}", check=check, do=do)

    async def _saved_schedule(self, name: str) -> dict[str, Any] | None:
        """Return the definition of a schedule that was saved by command, None where there is none."""
        try:
            outcome = await self._run("schedule", {"action": "list", "name": name})
        except RefusedError as error:
            if error.code == "unknown_schedule":
                return None
            raise
        for entry in outcome.result.get("schedules", ()):
            if entry.get("name") == name and entry.get("source") == "saved":
                return {key: value for key, value in entry["definition"].items() if key != "name"}
        return None

    async def _put_back(self, name: str, before: Mapping[str, Any] | None) -> None:
        if before is None:
            await self._undo("schedule", {"action": "delete", "name": name})
        else:
            await self._undo("schedule", {**before, "action": "set", "name": name})

    def _profile(self, name: str) -> Step:
        document = self._document
        arguments: dict[str, Any] = {"name": name}
        if document.settings:
            arguments["settings"] = document.settings
        if document.stream is not None:
            arguments["stream"] = document.stream.model_dump()

        async def do() -> None:
            # All of it or nothing: that is the command's own promise.
            self.holds.update((await self._run("profile", arguments)).applied)

        return Step(field="profile", check=self._check("profile", "profile", arguments), do=do)

    def _settings(self, patch: Mapping[str, Any]) -> Step:
        async def do() -> None:
            self.holds.update((await self._run("settings", patch)).applied)

        return Step(field="settings", check=self._check("settings", "settings", patch), do=do)

    def _stream(self, *, enabled: bool) -> Step:
        arguments = {"action": "start" if enabled else "stop"}

        async def do() -> None:
            await self._run("stream", arguments)
            self.holds["stream.enabled"] = enabled

        return Step(field="stream", check=self._check("stream", "stream", arguments), do=do)


@contextmanager
def _told_of(field: str) -> Iterator[None]:
    """Let a refusal name the document's field, not only the command's argument."""
    try:
        yield
    except RefusedError as error:
        # A profile's command takes settings and stream, too: those are the document's own fields.
        if not field or str(error.field).partition(".")[0] in _OWN_FIELDS:
            raise
        inner = error.field if error.field not in (None, "name", field) else None
        raise RefusedError(
            f"{field}: {error.message}",
            code=error.code,
            field=f"{field}.{inner}" if inner else field,
            value=error.value,
            allowed=error.allowed,
        ) from error
