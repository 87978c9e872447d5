"""Print what Home Assistant needs beside itself to start with MQTT. Runs in its environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import homeassistant
from homeassistant.bootstrap import DEFAULT_INTEGRATIONS
from homeassistant.const import Platform


def main() -> None:
    components = Path(homeassistant.__file__).parent / "components"
    # The list of services imports every kind of entity; MQTT's set-up looks for the supervisor.
    todo = {"mqtt", "hassio", "automation", *DEFAULT_INTEGRATIONS, *(platform.value for platform in Platform)}
    seen: set[str] = set()
    found: set[str] = set()
    while todo:
        domain = todo.pop()
        manifest = components / domain / "manifest.json"
        if domain not in seen and manifest.exists():
            document = json.loads(manifest.read_text())
            found.update(document.get("requirements", ()))
            todo.update(document.get("dependencies", ()))
        seen.add(domain)
    sys.stdout.write("\n".join(sorted(found)))


if __name__ == "__main__":
    main()
