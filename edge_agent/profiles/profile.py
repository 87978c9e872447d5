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

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.camera.settings import SettingsPatch, flatten, unflatten
from edge_agent.contract.validation import validate
from edge_agent.errors import ConfigError, RefusedError, suggestion
from edge_agent.profiles.yaml_file import read_mapping

__all__ = ["Profile", "Profiles", "load_profiles"]

logger = logging.getLogger(__name__)

_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"


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
    return [_profile(path, name, fields) for name, fields in read_mapping(path, what="profile").items()]


def _profile(path: Path, name: str, fields: Any) -> Profile:
    if not isinstance(fields, Mapping):
        raise ConfigError(f"{path}: profile '{name}' is no mapping")
    try:
        profile = validate(Profile, {**fields, "name": name})
        settings = validate(SettingsPatch, profile.settings).model_dump(exclude_unset=True)
    except RefusedError as error:
        # `off` without quotes is a word to people and a boolean to YAML.
        hint = "; in YAML, on and off as words need quotes" if isinstance(error.value, bool) else ""
        raise ConfigError(f"{path}: profile '{name}': {error.message}{hint}") from error
    return profile.model_copy(update={"settings": settings})
