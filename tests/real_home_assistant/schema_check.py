"""Read a device document on stdin; print what Home Assistant refuses and drops. Runs in its environment.

It drops a key that it does not know without a word: what goes into its schemas is compared to what comes out.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any

from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA
from homeassistant.core import HomeAssistant

try:
    from probatio import Invalid  # what its schemas are made of since 2026
except ImportError:
    from voluptuous import Invalid

_SHARED = ("availability", "availability_mode")


async def check(document: dict[str, Any]) -> list[str]:
    hass = HomeAssistant("/nonexistent")
    found: list[str] = []
    try:
        DEVICE_DISCOVERY_SCHEMA(document)
        for key, config in document["components"].items():
            found += one(key, dict(config), document)
    except Invalid as error:
        found.append(f"the document: {error}")
    await hass.async_stop(force=True)
    return found


def one(key: str, config: dict[str, Any], document: dict[str, Any]) -> list[str]:
    platform = config.pop("platform")
    schema = importlib.import_module(f"homeassistant.components.mqtt.{platform}").DISCOVERY_SCHEMA
    whole = {name: document[name] for name in _SHARED} | {"device": document["device"]} | config
    try:
        taken = schema(whole)
    except Invalid as error:
        return [f"{key} ({platform}): {error}"]
    dropped = sorted(config.keys() - {str(name) for name in taken})
    return [f"{key} ({platform}): dropped {', '.join(dropped)}"] if dropped else []


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(check(json.load(sys.stdin)))))
