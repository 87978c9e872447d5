"""The configuration: defaults, then the file, then the environment, then systemd's credentials.

    configuration = load(path, environ=os.environ, sections={"heartbeat": HeartbeatConfig, ...})
    configuration.mqtt.host
    configuration.section("heartbeat", HeartbeatConfig).interval_s

The core's sections are declared in `edge_agent.configuration.sections`, a feature's by the feature. All of
them make one closed model: a key that nobody declared is an error that names the nearest one.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, Field, ValidationError, create_model

from edge_agent.configuration.document import MAX_BYTES, parse
from edge_agent.configuration.explain import Line, explain
from edge_agent.configuration.layers import Layer, Origin, Problem
from edge_agent.configuration.overrides import CONFIG_VARIABLE, from_credentials, from_environment
from edge_agent.configuration.problems import problems_of
from edge_agent.configuration.secrets import secrets_of
from edge_agent.configuration.sections import (
    CameraConfig,
    CommandsConfig,
    LogConfig,
    NodeConfig,
    Section,
    StatusConfig,
    StreamConfig,
    default_stream_url,
)
from edge_agent.configuration.targets import Target
from edge_agent.errors import ConfigError, suggestion
from edge_agent.mqtt.config import MqttConfig

__all__ = [
    "CORE_SECTIONS",
    "DEFAULT_PATH",
    "CameraConfig",
    "CommandsConfig",
    "Configuration",
    "Line",
    "LogConfig",
    "MqttConfig",
    "NodeConfig",
    "Section",
    "StatusConfig",
    "StreamConfig",
    "load",
]

DEFAULT_PATH: Final = Path("/etc/edge-agent/config.yaml")
DEFAULT_STATE_DIR: Final = Path("/var/lib/edge-agent")
CORE_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "node": NodeConfig,
    "mqtt": MqttConfig,
    "camera": CameraConfig,
    "stream": StreamConfig,
    "status": StatusConfig,
    "log": LogConfig,
    "commands": CommandsConfig,
}
T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What is in force. `warnings` are what `check` should show and nothing fails for."""

    node: NodeConfig
    mqtt: MqttConfig
    camera: CameraConfig
    stream: StreamConfig
    status: StatusConfig
    log: LogConfig
    commands: CommandsConfig
    state_dir: Path
    path: Path | None
    warnings: tuple[str, ...] = ()
    _document: BaseModel = field(repr=False)
    _layer: Layer = field(repr=False)

    @property
    def stream_url(self) -> str:
        """Where the stream is published. It may hold credentials: mask it before showing it."""
        return self.stream.url or default_stream_url(self.node.id)

    @property
    def timezone(self) -> str | None:
        """The time zone that the schedules go by, None for the machine's."""
        named = getattr(getattr(self._document, "profiles", None), "timezone", "auto")
        return None if named == "auto" else str(named)

    def section(self, name: str, model: type[T]) -> T:
        """Return a feature's section. Raises ConfigError where it was not declared with that model."""
        found = getattr(self._document, name, None) if name in type(self._document).model_fields else None
        if not isinstance(found, model):
            known = [key for key in type(self._document).model_fields if key not in CORE_SECTIONS]
            raise ConfigError(
                f"no section '{name}' was declared as {model.__name__}{suggestion(name, known)}", field=name
            )
        return found

    def secrets(self) -> frozenset[str]:
        """Return the secret values in force, to keep them out of what is written."""
        return secrets_of(self._document)

    def explain(self) -> list[Line]:
        """Return each effective value with its origin, secrets masked."""
        return explain(self._document, self._layer)


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    sections: Mapping[str, type[BaseModel]],
    credentials_directory: Path | None = None,
    default_path: Path = DEFAULT_PATH,
) -> Configuration:
    """Read the configuration. Raises ConfigError with one line for each thing that is wrong.

    Without `path` the file is what EDGE_AGENT_CONFIG names, else `default_path` where that exists, else
    there is none. Without `credentials_directory` it is what CREDENTIALS_DIRECTORY names. `sections` are
    the features' sections by name.
    """
    model = _document_model(sections)
    root = Target(model)
    file, text = _read_file(path, environ, default_path)
    layer = parse(text, source=str(file), target=root) if text else Layer()
    if not isinstance(layer.values, dict):
        if layer.values is not None:
            raise ConfigError(f"{file}: it must hold keys and values, like 'mqtt:'")
        layer = Layer()
    layer = from_environment(environ, root).over(layer, root)
    warnings: list[str] = []
    if credentials_directory is None and environ.get("CREDENTIALS_DIRECTORY"):
        credentials_directory = Path(environ["CREDENTIALS_DIRECTORY"])
    if credentials_directory is not None:
        credentials, warnings = from_credentials(credentials_directory, root)
        layer = credentials.over(layer, root)
    fallback = Origin(source=str(file) if file else "configuration")
    document = _validate(model, layer, root, fallback)
    if file is not None:
        warnings += _open_secrets(file, document, layer)
    return _configuration(document, layer, file, warnings)


def _document_model(sections: Mapping[str, type[BaseModel]]) -> type[BaseModel]:
    if taken := [name for name in sections if name in CORE_SECTIONS or name == "state_dir"]:
        raise ConfigError(f"a feature declares the section '{taken[0]}', which is the core's own")
    fields: dict[str, Any] = {name: (section, ...) for name, section in CORE_SECTIONS.items()}
    fields["state_dir"] = (Path, Field(DEFAULT_STATE_DIR, description="What must survive a restart"))
    fields.update({name: (section, ...) for name, section in sections.items()})
    created: type[BaseModel] = create_model("ConfigurationDocument", __base__=Section, **fields)
    return created


def _read_file(path: Path | None, environ: Mapping[str, str], default: Path) -> tuple[Path | None, str]:
    chosen = path
    if chosen is None and environ.get(CONFIG_VARIABLE):
        chosen = Path(environ[CONFIG_VARIABLE])
    file = chosen or default
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        if chosen is None:
            return None, ""
        named = "" if path else f" (named by {CONFIG_VARIABLE})"
        raise ConfigError(
            f"{file}: there is no such file{named}. An empty one will do: 'touch {file}'; every key has a "
            "default, and systemd/config.yaml is a sample with all of them"
        ) from error
    except OSError as error:
        raise ConfigError(f"{file}: it cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{file}: larger than {MAX_BYTES} bytes")
    try:
        return file, content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{file}, line {line}: this is not UTF-8 text") from error


def _validate(model: type[BaseModel], layer: Layer, root: Target, fallback: Origin) -> BaseModel:
    for name in model.model_fields:
        if name != "state_dir":
            layer.values.setdefault(name, {})
    problems = list(layer.problems)
    document, cause = None, None
    try:
        document = model.model_validate(layer.values)
    except ValidationError as error:
        cause = error
        problems += problems_of(error, layer=layer, root=root, fallback=fallback)
    if document is None or problems:
        raise _error(problems) from cause
    return document


def _error(problems: list[Problem]) -> ConfigError:
    ordered = sorted(problems, key=lambda problem: problem.origin.line)
    return ConfigError("\n".join(dict.fromkeys(str(problem) for problem in ordered)))


def _open_secrets(file: Path, document: BaseModel, layer: Layer) -> list[str]:
    """Return a warning where the file holds secrets and everyone may read it."""
    try:
        if not file.stat().st_mode & stat.S_IROTH:
            return []
    except OSError:
        return []
    secrets = [
        line.path for line in explain(document, layer) if line.secret and line.origin.startswith(f"{file}:")
    ]
    if not secrets:
        return []
    return [f"{file}: everyone may read it and it holds {', '.join(secrets)}; 'chmod o-r {file}'"]


def _configuration(
    document: BaseModel, layer: Layer, file: Path | None, warnings: list[str]
) -> Configuration:
    core: dict[str, Any] = {name: getattr(document, name) for name in CORE_SECTIONS}
    stream = cast("StreamConfig", core["stream"])
    if stream.url is None:
        core["stream"] = stream.model_copy(update={"url": default_stream_url(core["node"].id)})
        document = document.model_copy(update={"stream": core["stream"]})
    return Configuration(
        **core,
        state_dir=cast("Any", document).state_dir,
        path=file,
        warnings=tuple(warnings),
        _document=document,
        _layer=layer,
    )
