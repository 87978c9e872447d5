"""Every command that an agent with these features has, without running one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_agent import CONTRACT_VERSION
from edge_agent.camera.commands import SETTINGS_COMMANDS
from edge_agent.camera.feature import CameraCommands
from edge_agent.contract.access import emqx_rules, mosquitto_rules
from edge_agent.contract.command import CommandSpec, declared
from edge_agent.feature import Feature
from edge_agent.storage import write_atomically
from edge_agent.stream.service import StreamService
from edge_agent.system import SystemCommands

__all__ = ["command_specs", "write_contract"]


def command_specs(features: Mapping[str, type[Feature]]) -> Iterator[CommandSpec]:
    """Yield the declarations of all commands."""
    for settings_command in SETTINGS_COMMANDS:
        yield settings_command.spec
    for owner in (CameraCommands, StreamService, SystemCommands, *features.values()):
        yield from declared(owner)


def write_contract(
    directory: Path, features: Mapping[str, type[Feature]], *, dry_run: bool = False
) -> list[Path]:
    """Write the published contract into `directory`; return the files that were not up to date."""
    document = {
        "contract_version": CONTRACT_VERSION,
        "commands": {
            spec.name: spec.document() for spec in sorted(command_specs(features), key=lambda spec: spec.name)
        },
    }
    files = {
        directory / "commands.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        directory / "acl" / "mosquitto.acl": mosquitto_rules(),
        directory / "acl" / "emqx.conf": emqx_rules(),
    }
    stale = [path for path, text in files.items() if not _says(path, text)]
    if not dry_run:
        for path in stale:
            write_atomically(path, files[path].encode(), mode=0o644)
    return stale


def _says(path: Path, text: str) -> bool:
    try:
        present = path.read_bytes()
        if path.suffix == ".json":
            # By meaning, not by bytes: pydantic's versions write one limit as 1 and as 1.0.
            return bool(json.loads(present) == json.loads(text))
    except (OSError, ValueError):
        return False
    return present == text.encode()
