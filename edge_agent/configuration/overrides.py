"""What overrides the file: environment variables, and systemd's credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from edge_agent.configuration.document import parse
from edge_agent.configuration.layers import Layer, Origin, Problem, nest
from edge_agent.configuration.targets import Target, dotted, field_keys
from edge_agent.errors import ConfigError, nearest

__all__ = ["CONFIG_VARIABLE", "PREFIX", "from_credentials", "from_environment", "variable"]

PREFIX: Final = "EDGE_AGENT_"
CONFIG_VARIABLE: Final = "EDGE_AGENT_CONFIG"
_MAX_CREDENTIAL_BYTES: Final = 1024 * 1024  # systemd's own limit
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


def variable(path: Sequence[str]) -> str:
    """Return the environment variable for a key: `EDGE_AGENT_MQTT__HOST` for `mqtt.host`."""
    return PREFIX + "__".join(path).upper()


def from_environment(environ: Mapping[str, str], root: Target) -> Layer:
    """Return what the environment sets. Unknown variables with our prefix are problems of the layer."""
    layer = Layer()
    names = [name for name in environ if name.startswith(PREFIX) and name != CONFIG_VARIABLE]
    # A section given as a whole comes before single keys of it.
    for name in sorted(names, key=lambda name: (name.count("__"), name)):
        origin = Origin(source=f"environment variable {name}")
        path = name.removeprefix(PREFIX).lower().split("__")
        target = _target(path, root)
        if target is None:
            match = nearest(name, [known.lower() for known in _variables(root)])
            hint = (
                f"; did you mean {match.upper()}?"
                if match
                else f"; names are like {variable(['mqtt', 'host'])}"
            )
            layer.problems.append(Problem(origin=origin, message=f"no key has this variable{hint}"))
            continue
        try:
            layer = nest(path, _read(environ[name], target, origin)).over(layer, root)
        except ConfigError as error:
            layer.problems.append(Problem(origin=origin, message=error.message.removeprefix(f"{origin}: ")))
    return layer


def from_credentials(directory: Path, root: Target) -> tuple[Layer, list[str]]:
    """Return what the credentials in `directory` set, and a warning for each file that sets nothing.

    A file is named like its key, `mqtt.password`. Where the key is a path (`mqtt.tls.key`), the value is
    the file's own path, else it is the file's content, stripped. Raises ConfigError where it cannot be read.
    """
    layer = Layer()
    warnings: list[str] = []
    try:
        files = sorted(file for file in directory.iterdir() if file.is_file())
    except FileNotFoundError:
        # systemd names it, but takes it away again where it found none of the credentials.
        return layer, [f"credentials directory {directory} is not there, no credentials are used"]
    except OSError as error:
        raise ConfigError(f"credentials directory {directory}: {error.strerror or error}") from error
    for file in files:
        path = file.name.split(".")
        target = _target(path, root)
        if target is None:
            match = nearest(file.name, _dotted_keys(root))
            hint = f"; did you mean '{match}'?" if match else ""
            warnings.append(f"credential {file.name}: no key has this name, it is not used{hint}")
            continue
        origin = Origin(source=f"credential {file.name}")
        read = Layer(str(file), {(): origin}) if target.is_path else _read(_content(file), target, origin)
        layer = nest(path, read).over(layer, root)
    return layer, warnings


def _content(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_CREDENTIAL_BYTES + 1)
        if len(content) > _MAX_CREDENTIAL_BYTES:
            raise ConfigError(f"credential {file.name}: larger than {_MAX_CREDENTIAL_BYTES} bytes")
        return content.decode().strip()
    except OSError as error:
        raise ConfigError(f"credential {file.name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"credential {file.name}: its content is not UTF-8 text") from error


def _read(text: str, target: Target, origin: Origin) -> Layer:
    """Return the value that `text` is for `target`: as written for a scalar, YAML or JSON for the rest."""
    if not text.strip() and target.optional:
        return Layer(None, {(): origin})
    if not target.is_structure:
        is_null = target.optional and not target.is_text and text.strip() in _NULLS
        return Layer(None if is_null else text, {(): origin})
    layer = _read_structure(text, target, origin)
    if isinstance(layer.values, str) and target.is_list and not target.is_text:
        parts = [part.strip() for part in layer.values.split(",")]
        return Layer([part for part in parts if part], {(): origin}, layer.problems)
    if layer.values is None and not target.optional:
        return Layer([] if target.is_list else {}, {(): origin}, layer.problems)
    return layer


def _read_structure(text: str, target: Target, origin: Origin) -> Layer:
    is_plain = target.is_list and not text.lstrip().startswith(("[", "- ", "{"))
    if is_plain and "\n" not in text.strip():
        return Layer(text, {(): origin})  # "outdoor,indoor", and "12,13" that YAML would take for 1213
    return parse(text, source=origin.source, target=target, numbered=False)


def _target(path: Sequence[str], root: Target) -> Target | None:
    target: Target | None = root
    for key in path:
        target = target.child(key) if target is not None and key else None
    return target


def _keys(target: Target, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for model in target.models():
        for key, info in field_keys(model).items():
            yield (*path, key)
            yield from _keys(Target.of(info), (*path, key))


def _variables(root: Target) -> list[str]:
    return [variable(path) for path in _keys(root)]


def _dotted_keys(root: Target) -> list[str]:
    return [dotted(path) for path in _keys(root)]
