"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from edge_agent.errors import StorageError

__all__ = ["Remembered", "set_aside", "set_aside_in", "write_atomically"]

logger = logging.getLogger(__name__)

_DAMAGED: Final = ".damaged"


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600, wait_for_disk: bool = True) -> None:
    """Replace `path` by `content`; after a kill or a power cut there is the old one or the new one.

    Raises StorageError. It blocks for the disk: call it from a thread where time matters, or without
    `wait_for_disk`: then a kill finds the old or the new content, and a power cut perhaps less.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            if wait_for_disk:
                os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - one call for a text and a Path
        temporary = None
        if not wait_for_disk:
            return
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}", value=str(path)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - see above


def set_aside(path: Path) -> None:
    """Rename what is damaged to NAME.damaged: what comes in its place does not destroy what is left."""
    with contextlib.suppress(OSError):
        path.replace(path.with_name(path.name + _DAMAGED))


def set_aside_in(directory: Path) -> dict[Path, int]:
    """Return what was set aside in a directory, and the inode of each."""
    found: dict[Path, int] = {}
    with contextlib.suppress(OSError):
        for path in directory.glob(f"*{_DAMAGED}"):
            found[path] = path.stat().st_ino
    return found


class Remembered:
    """One small JSON value that outlives a restart, unless what the configuration says was edited since."""

    def __init__(self, *, path: Path, configured: Any) -> None:
        self._path = path
        self._configured = configured

    def value(self) -> Any:
        """Return what was remembered, or what is configured."""
        try:
            document = json.loads(self._path.read_bytes())
            if document["configured"] == self._configured:
                return document["value"]
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.warning("%s cannot be read, the configuration holds: %s", self._path, error)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self.damaged(error)
        return self._configured

    def damaged(self, error: Exception) -> None:
        """Set aside what cannot be understood: the configuration holds."""
        logger.warning("%s is damaged and set aside, the configuration holds: %s", self._path, error)
        set_aside(self._path)

    def remember(self, value: Any) -> None:
        """Write it down; blocks for the disk. Raises StorageError."""
        document = {"configured": self._configured, "value": value}
        write_atomically(self._path, json.dumps(document).encode())
