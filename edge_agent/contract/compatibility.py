"""What a change of the contract breaks for those who use the released one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from edge_agent.contract.json_schema import canonical, resolved

__all__ = ["Difference", "command_differences", "document_differences"]

_MAX_DEPTH: Final = 12


@dataclass(frozen=True)
class Difference:
    """One difference; one that `breaks` is what users of the old contract would notice."""

    where: str
    what: str
    breaks: bool

    def __str__(self) -> str:
        return f"{'BREAKS' if self.breaks else 'added '}  {self.where}: {self.what}"


def command_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """Compare two `commands` of commands.json: what was taken is to be taken, and to mean the same."""
    for name in sorted(old.keys() | new.keys()):
        where = f"cmd/{name}"
        if name not in new:
            yield Difference(where, "is gone", breaks=True)
        elif name not in old:
            yield Difference(where, "is new", breaks=False)
        else:
            before, after = old[name], new[name]
            if before["main"] != after["main"]:
                what = f"the main argument was {before['main']}, is {after['main']}"
                yield Difference(where, what, breaks=before["main"] is not None)
            yield from _Comparison("taken", before["arguments"], after["arguments"]).differences(where)


def document_differences(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], *, taken: bool = False
) -> Iterator[Difference]:
    """Compare two JSON Schemas of a document; one that is `taken` is written by others."""
    yield from _Comparison("taken" if taken else "told", old, new).differences(name)


class _Comparison:
    """Of what is taken the new one must allow at least the old; of what is told it must not say more."""

    def __init__(self, way: Literal["taken", "told"], old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        self._taken = way == "taken"
        self._old, self._new = canonical(old), canonical(new)

    def differences(self, where: str) -> Iterator[Difference]:
        yield from self._schemas(self._old, self._new, where, 0)

    def _schemas(self, old: Any, new: Any, where: str, depth: int) -> Iterator[Difference]:
        if depth > _MAX_DEPTH:
            return
        old, new = resolved(old, self._old.get("$defs", {})), resolved(new, self._new.get("$defs", {}))
        olds, news = _choices(old), _choices(new)
        if len(olds) > 1 or len(news) > 1:
            yield from self._all_choices(olds, news, where, depth)
            return
        yield from self._types(old, new, where)
        yield from self._options(old, new, where)
        yield from self._limits(old, new, where)
        yield from self._properties(old, new, where, depth)
        for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(old.get(key), Mapping) and isinstance(new.get(key), Mapping):
                yield from self._schemas(old[key], new[key], where + suffix, depth + 1)

    def _all_choices(self, olds: list[Any], news: list[Any], where: str, depth: int) -> Iterator[Difference]:
        """Pair alternatives by their kind; one without a partner is gone or new."""
        mine, theirs = _by_kind(olds, self._old), _by_kind(news, self._new)
        for kind in mine.keys() - theirs.keys():
            if not _covered(kind, theirs):
                yield Difference(where, f"may be {kind} no more", breaks=self._taken)
        for kind in theirs.keys() - mine.keys():
            if not _covered(kind, mine):
                yield Difference(where, f"may be {kind}, too", breaks=not self._taken)
        for kind in mine.keys() & theirs.keys():
            yield from self._schemas(mine[kind], theirs[kind], where, depth + 1)

    def _types(self, old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Difference]:
        before, after = old.get("type"), new.get("type")
        if before == after:
            return
        wider = after is None or (before, after) == ("integer", "number")
        narrower = before is None or (before, after) == ("number", "integer")
        harmless = wider if self._taken else narrower
        yield Difference(where, f"was {before or 'anything'}, is {after or 'anything'}", breaks=not harmless)

    def _options(self, old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Difference]:
        before, after = _options_of(old), _options_of(new)
        if before is None and after is None:
            return
        if before is None or after is None:
            narrower = before is None
            what = "is one of a few words now" if narrower else "is any word now"
            yield Difference(where, what, breaks=narrower == self._taken)
            return
        for option in before:
            if option not in after:
                # What is told no more is missed by nobody who has to read it.
                yield Difference(where, f"{option!r} is gone", breaks=self._taken)
        for option in after:
            if option not in before:
                yield Difference(where, f"{option!r} is new", breaks=False)

    def _limits(self, old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Difference]:
        for keys, sign in (
            (("minimum", "exclusiveMinimum", "minLength", "minItems"), 1),
            (("maximum", "exclusiveMaximum", "maxLength", "maxItems"), -1),
        ):
            for key in keys:
                before, after = old.get(key), new.get(key)
                if before == after:
                    continue
                narrower = before is None or (after is not None and (after - before) * sign > 0)
                what = f"{key} was {_or_none(before)}, is {_or_none(after)}"
                yield Difference(where, what, breaks=narrower and self._taken)
        if old.get("pattern") != new.get("pattern"):
            what = f"the pattern was {old.get('pattern')}, is {new.get('pattern')}"
            yield Difference(where, what, breaks=self._taken and new.get("pattern") is not None)

    def _properties(
        self, old: Mapping[str, Any], new: Mapping[str, Any], where: str, depth: int
    ) -> Iterator[Difference]:
        before, after = old.get("properties", {}), new.get("properties", {})
        always_before, always_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            own = f"{where}.{name}"
            if name not in after:
                yield Difference(own, "is gone", breaks=True)
                continue
            if self._taken and name in always_after - always_before:
                yield Difference(own, "must be given now", breaks=True)
            if not self._taken and name in always_before - always_after:
                yield Difference(own, "is not always there now", breaks=True)
            if self._taken and before[name].get("default") != after[name].get("default"):
                what = f"the default was {before[name].get('default')}, is {after[name].get('default')}"
                yield Difference(own, what, breaks=False)
            yield from self._schemas(before[name], after[name], own, depth + 1)
        for name in after:
            if name not in before:
                must = self._taken and name in always_after
                what = "is new and must be given" if must else "is new"
                yield Difference(f"{where}.{name}", what, breaks=must)


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _by_kind(choices: list[Any], root: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for choice in choices:
        schema = resolved(choice, root.get("$defs", {}))
        kind = "a word" if "enum" in schema or "const" in schema else str(schema.get("type", "anything"))
        # Two of a kind are told apart by their order.
        number = sum(1 for known in found if known.split(" #")[0] == kind) + 1
        found[kind if number == 1 else f"{kind} #{number}"] = choice
    return found


def _or_none(limit: Any) -> str:
    return "none" if limit is None else str(limit)


def _covered(kind: str, others: Mapping[str, Any]) -> bool:
    """Whether an alternative is part of another one: every integer is a number, a word is text."""
    wider = {"integer": "number", "a word": "string"}.get(kind)
    return wider in others or "anything" in others


def _options_of(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None
