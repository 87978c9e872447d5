"""Where profiles are: shipped ones, the owner's files, and those that were saved by command."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import yaml

from edge_agent.errors import ConfigError, RefusedError, StorageError
from edge_agent.profiles.definitions import read_definitions
from edge_agent.profiles.profile import DEFAULTS, NAME, Definition, Profile, Profiles, Source
from edge_agent.storage import write_atomically

__all__ = ["Library", "load_profiles", "shipped_directory"]

_MAX_SAVED: Final = 200
_NAME: Final = re.compile(NAME)
_HEAD: Final = "# Saved by command. A profile in here takes the place of any other one of the same name.\n"


def shipped_directory() -> Path | None:
    """Return where the shipped profiles are: beside the sources, or where they were installed."""
    here = Path(__file__).resolve().parents[2] / "schedules"
    places = (here, Path(sys.prefix) / "share/edge-agent/schedules", Path("/usr/share/edge-agent/schedules"))
    return next((place for place in places if (place / "profiles").is_dir()), None)


def load_profiles(directories: Iterable[tuple[Path, Source]]) -> tuple[Profiles, list[str]]:
    """Read every `*.yaml` of the directories, a later one over an earlier; return also what is wrong.

    What cannot be used is left out and told with file, line and key; the others hold.
    """
    found: dict[str, Profile] = {}
    problems: list[str] = []
    faults: dict[str, str] = {}
    for directory, source in directories:
        for path in sorted(directory.glob("*.yaml")):
            try:
                definitions, wrong = read_definitions(path, Definition, what="profile")
            except ConfigError as error:
                problems.append(error.message)
                continue
            problems += [fault.message for fault in wrong]
            faults.update({fault.name: fault.message for fault in reversed(wrong) if fault.name})
            for name, entry in definitions.items():
                fault = _fault_of_name(name)
                if fault is not None:
                    problems.append(f"{entry.where}: {fault}")
                    continue
                found[name] = Profile(
                    name=name, definition=entry.value, source=source, where=entry.where, keys=entry.keys
                )
    profiles = Profiles(found.values(), faults=faults)
    for name in found:
        try:
            profiles.wanted(name)
        except RefusedError as error:
            # Told once, at the profile that holds the fault, however many stand on that.
            if error.message not in problems:
                problems.append(error.message)
    return profiles, problems


def _fault_of_name(name: str) -> str | None:
    if name == DEFAULTS:
        return f"a profile cannot be named '{DEFAULTS}': that one is built in"
    if not _NAME.fullmatch(name):
        return f"a profile cannot be named '{name[:64]}': a name has a-z, 0-9, '_' and '-', 64 at most"
    return None


class Library:
    """All profiles. `directories` hold the owner's, `saved` those that were saved; blocks for the disk."""

    def __init__(self, *, directories: Iterable[Path], saved: Path) -> None:
        shipped = shipped_directory()
        self._places: list[tuple[Path, Source]] = [(shipped / "profiles", "shipped")] if shipped else []
        self._places += [(directory / "profiles", "file") for directory in directories]
        self._places.append((saved, "saved"))
        self._saved = saved
        self.profiles = Profiles()

    def load(self) -> list[str]:
        """Read everything anew; return what is wrong."""
        self.profiles, wrong = load_profiles(self._places)
        return wrong

    def check(self, definitions: Mapping[str, Definition]) -> Profiles:
        """Return what there would be with these saved. Raises RefusedError where that cannot be."""
        for name in definitions:
            fault = _fault_of_name(name)
            if fault is not None:
                raise RefusedError(fault, code="invalid_arguments", field="name", value=name[:64])
        profiles = self.profiles.with_all(
            Profile(name=name, definition=definition, source="saved", where="")
            for name, definition in definitions.items()
        )
        for name in definitions:
            profiles.wanted(name)
        saved = [name for name in profiles.names if profiles.find(name).source == "saved"]
        if len(saved) > _MAX_SAVED:
            raise RefusedError(
                f"{len(saved)} profiles would be saved, {_MAX_SAVED} at most can be; delete one first",
                code="too_many",
                value=len(saved),
                allowed={"max": _MAX_SAVED},
            )
        return profiles

    def save(self, definitions: Mapping[str, Definition]) -> None:
        """Write definitions down, each in a file of its own. Raises RefusedError or StorageError."""
        self.check(definitions)
        try:
            for name, definition in definitions.items():
                text = yaml.safe_dump({name: definition.document()}, sort_keys=False, allow_unicode=True)
                write_atomically(self._file(name), (_HEAD + text).encode(), mode=0o644)
        finally:
            self.load()

    def delete(self, name: str) -> None:
        """Forget a saved profile; one that it covered is back. Raises RefusedError or StorageError."""
        self.check_deletion(name)
        try:
            self._file(name).unlink()
        except OSError as error:
            raise StorageError(f"cannot delete {self._file(name)}: {error.strerror or error}") from error
        finally:
            self.load()

    def check_deletion(self, name: str) -> None:
        """Raise RefusedError where a profile cannot be deleted."""
        profile = self.profiles.find(name)
        if profile.source != "saved":
            whose = {
                "built_in": "it is built in",
                "shipped": "it is shipped with the agent; save one of the same name to cover it",
            }.get(profile.source, f"it comes from {profile.where}; edit that file")
            raise RefusedError(
                f"profile '{name}' cannot be deleted: {whose}",
                code="not_deletable",
                field="name",
                value=name,
                allowed=[n for n in self.profiles.names if self.profiles.find(n).source == "saved"],
            )
        below, _ = load_profiles(self._places[:-1])
        if name not in below.names and (standing := self.profiles.extending(name)):
            raise RefusedError(
                f"profile '{name}' cannot be deleted: {', '.join(standing)} extends it",
                code="not_deletable",
                field="name",
                value=name,
            )
        if not self._file(name).is_file():
            raise RefusedError(
                f"profile '{name}' cannot be deleted: it stands in {profile.where}, which no command wrote",
                code="not_deletable",
                field="name",
                value=name,
            )

    def _file(self, name: str) -> Path:
        return self._saved / f"{name}.yaml"
