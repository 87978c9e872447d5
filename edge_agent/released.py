"""The present contract beside a released one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_agent.contract.compatibility import Difference, command_differences, document_differences
from edge_agent.errors import RefusedError

__all__ = ["differences"]

# What others write and the agent reads.
_TAKEN = ("desired", "cmd_")


def differences(released: Path, files: Mapping[str, str]) -> list[Difference]:
    """Return what the contract in `files` (path -> text) breaks and adds, what breaks first.

    `released` is a directory like topics/, a commands.json or an asyncapi.yaml. Raises RefusedError where it
    cannot be read.
    """
    try:
        found = list(_of(released, files))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(
            f"{released} is no released contract ({type(error).__name__}: {error}): give a directory with "
            "commands.json and schemas/, a commands.json or an asyncapi.yaml",
            code="invalid_arguments",
        ) from error
    return sorted(found, key=lambda difference: not difference.breaks)


def _of(released: Path, files: Mapping[str, str]) -> Iterator[Difference]:
    if released.is_dir():
        yield from _commands(released / "commands.json", files)
        yield from _documents(released / "schemas", files)
    elif released.suffix in (".yaml", ".yml"):
        yield from _messages(released, files)
    else:
        yield from _commands(released, files)


def _commands(released: Path, files: Mapping[str, str]) -> Iterator[Difference]:
    old, new = json.loads(released.read_bytes()), json.loads(files["commands.json"])
    yield from command_differences(old["commands"], new["commands"])


def _documents(released: Path, files: Mapping[str, str]) -> Iterator[Difference]:
    # The commands' own schemas say what commands.json says.
    for path in sorted(released.glob("*.json")):
        text = files.get(f"schemas/{path.name}")
        if text is None:
            yield Difference(path.stem, "is gone", breaks=True)
            continue
        old, new = json.loads(path.read_bytes()), json.loads(text)
        yield from document_differences(path.stem, old, new, taken=path.stem.startswith(_TAKEN))


def _messages(released: Path, files: Mapping[str, str]) -> Iterator[Difference]:
    import yaml  # noqa: PLC0415 - only for this one format

    # The C parser is ten times as fast, where libyaml is there.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        old = yaml.load(released.read_text(encoding="utf-8"), loader)["components"]  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    new = yaml.load(files["asyncapi.yaml"], loader)["components"]  # noqa: S506 - see above
    for name, message in old["messages"].items():
        if name not in new["messages"]:
            yield Difference(name, "is gone", breaks=True)
            continue
        yield from document_differences(
            name,
            _payload(message, old["schemas"]),
            _payload(new["messages"][name], new["schemas"]),
            taken=name.startswith(_TAKEN),
        )
    for name in new["messages"].keys() - old["messages"].keys():
        yield Difference(name, "is new", breaks=False)


def _payload(message: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {**message["payload"], "$defs": schemas}
