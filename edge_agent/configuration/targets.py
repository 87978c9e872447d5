"""What a place in the configuration takes, read off the models' annotations."""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

__all__ = ["Key", "Target", "dotted", "field_keys"]

Key = str | int
_TEXT: Final = (str, SecretStr, SecretBytes, PurePath, enum.Enum)
_SECRET: Final = (SecretStr, SecretBytes)


def dotted(path: Sequence[Key]) -> str:
    """Return `a.b[0].c` for a path."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def field_keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a model's fields by the key that they have in a document."""
    return {
        info.validation_alias if isinstance(info.validation_alias, str) else name: info
        for name, info in model.model_fields.items()
    }


@dataclass(frozen=True)
class Target:
    """One place: the types it takes, with the limits that its field declares."""

    annotation: Any
    metadata: tuple[Any, ...] = ()

    @classmethod
    def of(cls, info: FieldInfo) -> Target:
        """Return the target that a field is."""
        return cls(info.annotation, tuple(info.metadata))

    def members(self) -> list[Target]:
        """Return the alternatives of a union, each with its limits; null is not among them."""
        annotation, metadata = self.annotation, self.metadata
        while True:
            if get_origin(annotation) is Annotated:
                annotation, *more = get_args(annotation)
                for item in more:
                    metadata += tuple(item.metadata) if isinstance(item, FieldInfo) else (item,)
            elif "__value__" in dir(annotation):
                annotation = annotation.__value__
            else:
                break
        if get_origin(annotation) in {Union, types.UnionType}:
            return [m for part in get_args(annotation) for m in Target(part, metadata).members()]
        return [] if annotation in {None, type(None)} else [Target(annotation, metadata)]

    @property
    def optional(self) -> bool:
        """Whether null is taken."""
        annotation = self.annotation
        while get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        if get_origin(annotation) in {Union, types.UnionType}:
            return any(Target(part).optional for part in get_args(annotation))
        return annotation in {None, type(None), Any, object}

    def models(self) -> list[type[BaseModel]]:
        """Return the sections that may stand here."""
        return [m.annotation for m in self.members() if m.is_a(BaseModel)]

    def is_a(self, *kinds: type) -> bool:
        """Whether this one alternative is one of `kinds` or derived from one."""
        kind = get_origin(self.annotation) or self.annotation
        return isinstance(kind, type) and issubclass(kind, kinds)

    @property
    def is_text(self) -> bool:
        """Whether every alternative is text, so that `0123`, `off` and `1e5` are to be taken literally."""
        members = self.members()
        return bool(members) and all(_is_text(member) for member in members)

    @property
    def is_list(self) -> bool:
        """Whether a list is taken."""
        return any(
            m.is_a(list, tuple, set, frozenset, Sequence, AbstractSet) and not m.is_a(str)
            for m in self.members()
        )

    @property
    def is_structure(self) -> bool:
        """Whether a list, a mapping, a section or simply anything is taken."""
        return self.is_list or any(
            m.is_a(Mapping, BaseModel) or m.annotation in {Any, object} for m in self.members()
        )

    @property
    def is_path(self) -> bool:
        """Whether every alternative is a file's path."""
        members = self.members()
        return bool(members) and all(member.is_a(PurePath) or member.annotation is Path for member in members)

    @property
    def is_secret(self) -> bool:
        """Whether a secret may stand here, or as an entry of a list or a mapping here."""
        for member in self.members():
            if member.is_a(*_SECRET) or any(
                arg is not Ellipsis and get_origin(member.annotation) is not Literal and Target(arg).is_secret
                for arg in get_args(member.annotation)
            ):
                return True
        return False

    def child(self, key: Key) -> Target | None:
        """Return what `key` below this place takes, None where there can be no such key."""
        for member in self.members():
            if member.is_a(BaseModel):
                fields = field_keys(member.annotation)
                if isinstance(key, str) and key in fields:
                    return Target.of(fields[key])
                if member.annotation.model_config.get("extra") == "allow":
                    return Target(Any)
            elif member.annotation in {Any, object}:
                return Target(Any)
            elif member.is_a(Mapping) and isinstance(key, str):
                args = get_args(member.annotation)
                return Target(args[1]) if len(args) == 2 else Target(Any)
            elif isinstance(key, int) and Target(member.annotation).is_list:
                return _item(member, key)
        return None

    def keys(self) -> list[str]:
        """Return the keys that are known below this place."""
        return [key for model in self.models() for key in field_keys(model)]


def _item(member: Target, index: int) -> Target:
    args = get_args(member.annotation)
    if member.is_a(tuple) and args and args[-1] is not Ellipsis:
        return Target(args[index]) if index < len(args) else Target(Any)
    return Target(args[0]) if args else Target(Any)


def _is_text(member: Target) -> bool:
    if get_origin(member.annotation) is Literal:
        return all(isinstance(value, str) for value in get_args(member.annotation))
    return member.is_a(*_TEXT)
