"""The keys that a Home Assistant knows, read from its sources: the newest may run on no Python here."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

__all__ = ["NewestSchemas"]

_DECLARED = re.compile(r"(?:Required|Optional|Exclusive)\(\s*(CONF_\w+|\"[a-z_]+\")")
_CONSTANT = re.compile(r"^((?:CONF|ATTR)_\w+)(?:: Final)? = \"(\w+)\"", re.MULTILINE)
_OTHER_NAME = re.compile(r"^(CONF_\w+)(?:: Final)? = ((?:CONF|ATTR)_\w+)$", re.MULTILINE)
_MQTT = "homeassistant/components/mqtt/"


class NewestSchemas:
    """A wheel of Home Assistant, the newest in `directory`."""

    def __init__(self, directory: Path) -> None:
        wheel = max(directory.glob("homeassistant-*.whl"), key=lambda path: path.stat().st_mtime)
        self.version = wheel.name.split("-")[1]
        self._wheel = zipfile.ZipFile(wheel)
        self._constants: dict[str, str] = {}
        for name in (
            "homeassistant/const.py",
            "homeassistant/components/sensor/const.py",
            f"{_MQTT}const.py",
        ):
            self._constants |= self._constants_of(self._read(name))

    def _read(self, name: str) -> str:
        return self._wheel.read(name).decode()

    def _constants_of(self, text: str) -> dict[str, str]:
        known = {**self._constants, **dict(_CONSTANT.findall(text))}
        return known | {new: known[old] for new, old in _OTHER_NAME.findall(text) if old in known}

    def _keys(self, *names: str) -> set[str]:
        found: set[str] = set()
        for name in names:
            text = self._read(f"{_MQTT}{name}.py")
            constants = self._constants_of(text)
            for word in _DECLARED.findall(text):
                key = constants.get(word) if word.startswith("CONF_") else word.strip('"')
                if key is not None:
                    found.add(key)
        return found

    def unknown(self, document: dict[str, Any]) -> list[str]:
        """Return what of a device document this version has never heard of."""
        shared = self._keys("schemas", "config")
        found = [
            f"{place}: {key}"
            for place in (".", "device", "origin")
            for key in (document if place == "." else document[place]).keys() - shared
        ]
        for name, config in document["components"].items():
            known = shared | self._keys(config["platform"])
            found += [f"{name} ({config['platform']}): {key}" for key in config.keys() - known]
        return sorted(found)
