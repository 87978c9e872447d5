"""A YAML file of named things, read with bounds; what is wrong with it is said with file and line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from edge_agent.errors import ConfigError

__all__ = ["read_mapping"]

_MAX_FILE_BYTES: Final = 1024 * 1024


def read_mapping(path: Path, *, what: str) -> dict[str, Any]:
    """Return names -> fields; an empty file holds none. `what` names the things in messages.

    Raises ConfigError on a file that cannot be read or is no such mapping.
    """
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
    except (ValueError, RecursionError) as error:
        # PyYAML lets these through: a day that no month has, brackets without end.
        raise ConfigError(f"{path}: not YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise ConfigError(f"{path}: a file of {what}s maps names to {what}s")
    return {str(name): fields for name, fields in document.items()}
