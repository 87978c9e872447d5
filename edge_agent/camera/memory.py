"""The settings that hold, remembered on disk, so that a restart of the agent changes nothing.

The configuration's own values are kept beside them: one that was edited since wins over what was
remembered, everything else is as it was.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from edge_agent.camera.settings import CameraSettings, flatten, normalise, unflatten
from edge_agent.clock import Clock
from edge_agent.health.problems import Problems
from edge_agent.saving import Saving
from edge_agent.storage import set_aside, write_atomically

__all__ = ["SettingsKeeper", "SettingsMemory"]

logger = logging.getLogger(__name__)

# Flash wears out: a slider that is drawn is written once.
_REMEMBER_AFTER_S: Final = 2.0


class SettingsMemory:
    """`settings.json` in the state directory."""

    def __init__(self, *, path: Path, configured: Mapping[str, Any]) -> None:
        self._path = path
        self._configured = flatten(configured)
        self._written: bytes | None = None

    def wanted(self) -> dict[str, Any]:
        """Return the patch to start with: what was remembered, under what the configuration changed since."""
        remembered, before = self._read()
        edited = {path: value for path, value in self._configured.items() if before.get(path) != value}
        if not remembered:
            return unflatten(self._configured)
        # Normalised, so that a bit rate that was edited wins over a remembered `auto`, and the like.
        return unflatten({**remembered, **flatten(normalise(unflatten(edited)))})

    def remember(self, settings: CameraSettings) -> None:
        """Write the settings down; blocks for the disk. Raises StorageError."""
        document = {"configured": self._configured, "settings": flatten(settings.model_dump(mode="json"))}
        content = json.dumps(document, indent=1, sort_keys=True).encode()
        if content != self._written:
            write_atomically(self._path, content)
            self._written = content

    def _read(self) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return {}, {}
        except OSError as error:
            logger.warning(
                "The remembered settings cannot be read, starting with the configured ones: %s", error
            )
            return {}, {}
        try:
            document = json.loads(content)
            settings, configured = document["settings"], document["configured"]
            CameraSettings.model_validate(unflatten(settings))
            if not isinstance(configured, dict):
                raise TypeError("'configured' is no object")  # noqa: TRY301 - one way out
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            logger.warning(
                "The remembered settings in %s are damaged and set aside, starting with the configured ones",
                self._path,
            )
            set_aside(self._path)
            return {}, {}
        return settings, configured


class SettingsKeeper:
    """Writes the settings down a moment after they changed; a disk that refuses is a problem in status."""

    def __init__(self, *, memory: SettingsMemory, clock: Clock, problems: Problems) -> None:
        self._memory = memory
        self._clock = clock
        self._saving = Saving(
            what="the settings", clock=clock, problem=partial(problems.set, "settings_not_saved")
        )
        self._settings: CameraSettings | None = None
        self._unsaved = asyncio.Event()

    def changed(self, settings: CameraSettings) -> None:
        """Take note of what holds now."""
        self._settings = settings
        self._unsaved.set()

    async def run(self) -> None:
        """Write, until cancelled."""
        while True:
            await self._unsaved.wait()
            await self._clock.sleep(_REMEMBER_AFTER_S)
            await self._save()

    async def close(self) -> None:
        """Write down what is not yet."""
        await self._save()
        await self._saving.close()

    async def _save(self) -> None:
        if self._unsaved.is_set() and self._settings is not None:
            self._unsaved.clear()
            await self._saving.save(partial(self._memory.remember, self._settings))
