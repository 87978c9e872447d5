"""Profiles: named patches of settings, as YAML, one file each or several in one.

night:
  description: Long exposure, for a still scene
  extends: day
  settings:
    exposure: {max_time_us: 33000, ev: 1.0}
  stream: {enabled: true}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from edge_agent.camera.settings import SettingsPatch, declarations, flatten, normalise, unflatten
from edge_agent.errors import RefusedError, suggestion

if TYPE_CHECKING:
    _Patch = BaseModel
else:
    _Patch = SettingsPatch

__all__ = [
    "DEFAULTS",
    "NAME",
    "Definition",
    "Profile",
    "Profiles",
    "Source",
    "StreamPart",
    "Wanted",
    "paths_of",
]

NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
DEFAULTS: Final = "defaults"

Source = Literal["built_in", "shipped", "file", "saved"]


_PATHS: Final = tuple(declarations())


def paths_of(name: str) -> list[str]:
    """Return the settings that a path or a group's name means; none where there is no such thing."""
    return [path for path in _PATHS if name in (path, path.partition(".")[0], DEFAULTS)]


class StreamPart(BaseModel):
    """What a profile says of the stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(description="Whether there is a stream")


class Definition(BaseModel):
    """A named patch, as it is written. With `extends`, on top of another one's.

    What a `partial` one says is applied as far as the camera can do it, what any other one says wholly or
    not at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field("", max_length=500, description="For people")
    extends: str | None = Field(None, pattern=NAME, description="The profile that this one stands on")
    partial: bool = Field(False, description="Take what this camera can do, instead of all or nothing")
    reset: tuple[str, ...] = Field(
        (), max_length=100, description="Groups or paths that go back to their defaults, like video.fps"
    )
    settings: _Patch | None = Field(None, description="What is to be set, like the command `settings`")
    stream: StreamPart | None = Field(None, description="Whether there is to be a stream")

    @field_validator("reset")
    @classmethod
    def _known_paths(cls, reset: tuple[str, ...]) -> tuple[str, ...]:
        for path in reset:
            if not paths_of(path):
                raise ValueError(f"there is no setting '{path[:64]}'{suggestion(path[:64], _PATHS)}")
        return reset

    def patch(self) -> dict[str, Any]:
        """Return the settings as a patch: only what is written."""
        return {} if self.settings is None else self.settings.model_dump(mode="json", exclude_unset=True)

    def document(self) -> dict[str, Any]:
        """Return it as it is written to a file: without what is not said."""
        written = self.model_dump(mode="json", exclude_defaults=True, exclude={"settings"})
        patch = self.patch()
        return {**written, **({"settings": patch} if patch else {})}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A definition, its name, and where it comes from; `where` tells the line of a key or of the whole."""

    name: str
    definition: Definition = field(default_factory=Definition)
    source: Source = "file"
    where: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """Return the beginning of a message about one of its keys: where that is written."""
        where = self.keys.get(key, self.where)
        return f"{where}: profile '{self.name}', '{key}': " if where else f"profile '{self.name}': "


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a profile comes to with what it extends.

    `optional` are the paths that may be left out where the camera cannot do them, `reset` those that are to
    be as by default where the patch does not say otherwise.
    """

    patch: dict[str, Any]
    optional: frozenset[str] = frozenset()
    stream: bool | None = None
    reset: frozenset[str] = frozenset()


_BUILT_IN: Final = Profile(
    name=DEFAULTS,
    definition=Definition(description="What the configuration and the camera begin with", reset=(DEFAULTS,)),
    source="built_in",
)


class Profiles:
    """The known profiles, and what each comes to with what it extends.

    `faults` tell of names whose definition cannot be used what is wrong with it.
    """

    def __init__(self, profiles: Iterable[Profile] = (), *, faults: Mapping[str, str] | None = None) -> None:
        self._faults = dict(faults or {})
        self._profiles = {profile.name: profile for profile in (*profiles, _BUILT_IN)}

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._profiles)

    def with_all(self, profiles: Iterable[Profile]) -> Profiles:
        """Return these profiles and others, which take the place of those of the same name."""
        every = {**self._profiles, **{profile.name: profile for profile in profiles}}
        return Profiles(every.values(), faults=self._faults)

    def find(self, name: str) -> Profile:
        """Return a profile. Raises RefusedError that names the nearest."""
        profile = self._profiles.get(name)
        if profile is None and name in self._faults:
            raise RefusedError(
                f"profile '{name}' has a fault: {self._faults[name]}",
                code="unknown_profile",
                field="name",
                value=name,
            )
        if profile is None:
            raise RefusedError(
                f"there is no profile '{name[:64]}'{suggestion(name[:64], self._profiles)}",
                code="unknown_profile",
                field="name",
                value=name[:64],
                allowed=self.names,
            )
        return profile

    def extending(self, name: str) -> list[str]:
        """Return who stands right on a profile."""
        return sorted(
            profile.name for profile in self._profiles.values() if profile.definition.extends == name
        )

    def wanted(self, name: str) -> Wanted:
        """Return what a profile comes to. Raises RefusedError on an unknown name or a loop, and where."""
        chain = self._chain(name)
        flat: dict[str, Any] = {}
        optional: set[str] = set()
        reset: set[str] = set()
        stream: bool | None = None
        for profile in reversed(chain):
            definition = profile.definition
            for path in (path for word in definition.reset for path in paths_of(word)):
                flat.pop(path, None)
                reset.add(path)
            # With what it implies: a mode of its own drops a value of another mode that stood below.
            own = flatten(normalise(definition.patch()))
            flat.update(own)
            (optional.update if definition.partial else optional.difference_update)(own)
            stream = stream if definition.stream is None else definition.stream.enabled
        if chain[0].definition.partial:
            optional.update(flat)
        return Wanted(
            patch=unflatten(flat), optional=frozenset(optional), stream=stream, reset=frozenset(reset)
        )

    def _chain(self, name: str) -> list[Profile]:
        """Return a profile, what it extends, what that extends, and so on."""
        chain = [self.find(name)]
        while (below := chain[-1].definition.extends) is not None:
            last = chain[-1]
            if any(profile.name == below for profile in chain):
                loop = " -> ".join([*(profile.name for profile in chain), below])
                raise RefusedError(
                    f"{last.place('extends')}profiles extend each other in a loop: {loop}",
                    code="profile_loop",
                    field="extends",
                    value=below,
                )
            try:
                chain.append(self.find(below))
            except RefusedError as error:
                raise RefusedError(
                    f"{last.place('extends')}{error.message}",
                    code="unknown_profile",
                    field="extends",
                    value=below,
                    allowed=self.names,
                ) from error
        return chain
