"""Profiles: named patches of settings, as YAML, one file each or several in one.

night:
  description: Long exposure, for a still scene
  extends: day
  settings:
    exposure: {max_time_us: 33000, ev: 1.0}
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.camera.settings import SettingsPatch, flatten, unflatten
from edge_agent.contract.validation import refusal
from edge_agent.errors import ConfigError, RefusedError, suggestion

__all__ = ["Profile", "Profiles", "load_profiles"]

logger = logging.getLogger(__name__)

_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
_MAX_FILE_BYTES: Final = 1024 * 1024


class Profile(BaseModel):
    """A named patch. With `extends`, on top of another one's.

    A `partial` one is applied as far as the camera can do it, any other one wholly or not at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME)
    description: str = ""
    extends: str | None = None
    partial: bool = False
    settings: dict[str, Any] = {}


class Profiles:
    """The known profiles, and what each comes to with what it extends."""

    def __init__(self, profiles: Iterable[Profile] = ()) -> None:
        self._profiles = {profile.name: profile for profile in profiles}

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._profiles)

    def find(self, name: str) -> Profile:
        """Return a profile. Raises RefusedError that names the nearest."""
        profile = self._profiles.get(name)
        if profile is None:
            raise RefusedError(
                f"there is no profile '{name[:64]}'{suggestion(name[:64], self._profiles)}",
                code="unknown_profile",
                field="name",
                value=name[:64],
                allowed=self.names,
            )
        return profile

    def patch(self, name: str) -> dict[str, Any]:
        """Return the whole patch of a profile. Raises RefusedError on an unknown name or a loop."""
        chain: list[Profile] = []
        current: str | None = name
        while current is not None:
            if any(profile.name == current for profile in chain):
                loop = " -> ".join([*(profile.name for profile in chain), current])
                raise RefusedError(
                    f"profiles extend each other in a loop: {loop}", code="profile_loop", value=name
                )
            profile = self.find(current)
            chain.append(profile)
            current = profile.extends
        flat: dict[str, Any] = {}
        for profile in reversed(chain):
            flat.update(flatten(profile.settings))
        return unflatten(flat)


def load_profiles(directories: Iterable[Path]) -> tuple[Profiles, list[str]]:
    """Read every `*.yaml` of the directories, a later one over an earlier; return also what is wrong.

    A file that cannot be used is left out and told; the others hold.
    """
    found: dict[str, Profile] = {}
    problems: list[str] = []
    for directory in directories:
        for path in sorted(directory.glob("*.yaml")):
            try:
                found.update({profile.name: profile for profile in _read(path)})
            except ConfigError as error:
                problems.append(error.message)
    profiles = Profiles(found.values())
    for name in profiles.names:
        try:
            profiles.patch(name)
        except RefusedError as error:
            problems.append(f"profile '{name}': {error.message}")
    return profiles, problems


def _read(path: Path) -> list[Profile]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ConfigError(f"{path}: larger than {_MAX_FILE_BYTES} bytes")
        document = yaml.safe_load(content)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: not YAML: {getattr(error, 'problem', error)}") from error
    if document is None:
        return []
    if not isinstance(document, Mapping):
        raise ConfigError(f"{path}: a file of profiles maps names to profiles")
    return [_profile(path, str(name), fields) for name, fields in document.items()]


def _profile(path: Path, name: str, fields: Any) -> Profile:
    if not isinstance(fields, Mapping):
        raise ConfigError(f"{path}: profile '{name}' is no mapping")
    try:
        profile = Profile.model_validate({"name": name, **fields})
    except ValidationError as error:
        raise ConfigError(f"{path}: profile '{name}': {refusal(Profile, error).message}") from error
    try:
        SettingsPatch.model_validate(profile.settings)
    except ValidationError as error:
        raise ConfigError(f"{path}: profile '{name}': {refusal(SettingsPatch, error).message}") from error
    return profile
