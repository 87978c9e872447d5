"""The configuration as a command of the command line takes it, with the features that are installed."""

from __future__ import annotations

import os
from pathlib import Path

from edge_agent.config import Configuration, load
from edge_agent.errors import ConfigError
from edge_agent.feature import Feature, discover
from edge_agent.stream.support import unsupported
from edge_agent.stream.url import parse_stream_url

__all__ = ["check_target", "load_with_features"]


def load_with_features(
    config: Path | None, *, broker: str | None = None
) -> tuple[Configuration, dict[str, type[Feature]]]:
    """Return the configuration in force, and the features that have sections in it. Raises ConfigError.

    `broker`, HOST or HOST:PORT, takes the place of the configuration's.
    """
    features = discover()
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    environ = dict(os.environ)
    if broker is not None:
        host, _, port = broker.rpartition(":") if ":" in broker else (broker, "", "")
        environ["EDGE_AGENT_MQTT__HOST"] = host
        if port:
            environ["EDGE_AGENT_MQTT__PORT"] = port
    configuration = load(
        config,
        environ=environ,
        sections={name: model for each in features.values() for name, model in each.sections().items()},
        credentials_directory=Path(directory) if directory else None,
    )
    return configuration, features


def check_target(configuration: Configuration) -> None:
    """Raise ConfigError where what is installed cannot publish to the configured target."""
    target = parse_stream_url(configuration.stream_url)
    missing = unsupported(target.scheme, verify=configuration.stream.tls.verify)
    if missing is not None:
        raise ConfigError(f"stream.url: {missing}", field="stream.url", value=target.masked)
