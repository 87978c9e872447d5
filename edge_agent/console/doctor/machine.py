"""The machine: where the state is kept, clock and zone, power and heat."""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge_agent.config import Configuration
from edge_agent.console.doctor.finding import Finding, failed, ok, warned
from edge_agent.health.machine import MachineReader, MachineReading

__all__ = ["clock_findings", "power_findings", "read_machine", "state_findings"]

_MIB: Final = 1024 * 1024
_FAIL_BELOW_MIB: Final = 20
_WARN_BELOW_MIB: Final = 200
_HOT_C: Final = 80.0


def read_machine(configuration: Configuration) -> MachineReading:
    """Return the machine's vital signs; takes up to 1.5 s."""
    return MachineReader(state_dir=configuration.state_dir).read()


def state_findings(directory: Path, machine: MachineReading) -> Iterator[Finding]:
    """Yield whether the state can be kept, and how much room there is."""
    existing = next((path for path in (directory, *directory.parents) if path.exists()), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=existing, prefix=".doctor-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        yield failed(
            "state directory",
            f"{existing} cannot be written by '{_user()}': {error.strerror or error}",
            "run this as the agent's user: sudo -u edge-agent edge-agent doctor; "
            f"if it fails then, too: sudo chown -R edge-agent {directory}",
        )
    else:
        later = "" if existing == directory else ", will be made at the first start"
        yield ok("state directory", f"{directory} can be written{later}")
    free = machine.disk_free_bytes
    if free is None:
        yield warned("disk", "the free space cannot be read", "see what 'df' says")
    elif free < _WARN_BELOW_MIB * _MIB:
        found = failed if free < _FAIL_BELOW_MIB * _MIB else warned
        yield found("disk", f"{free // _MIB} MiB are free", "make room: 'sudo du -xh / | sort -h | tail'")
    else:
        yield ok("disk", f"{free / 1024 / _MIB:.1f} GiB are free")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def clock_findings(configuration: Configuration, machine: MachineReading) -> Iterator[Finding]:
    """Yield whether the time is right, and whose time it is."""
    if machine.clock_synced is False:
        yield warned(
            "clock",
            "no time service holds this machine's clock",
            "'sudo timedatectl set-ntp true', and let UDP port 123 out",
        )
    else:
        known = "held by a time service" if machine.clock_synced else "the kernel does not say who holds it"
        yield ok("clock", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, {known}")
    if configuration.timezone is not None:
        yield ok("time zone", f"{configuration.timezone} (profiles.timezone)")
        return
    local = datetime.now().astimezone()
    name = local.tzname() or "unknown"
    if local.utcoffset() == UTC.utcoffset(None) and name in ("UTC", "Etc/UTC", "GMT"):
        yield warned(
            "time zone",
            "the machine's is UTC: schedules go by that",
            "'sudo timedatectl set-timezone Europe/Paris', or set profiles.timezone; if UTC is meant, to UTC",
        )
    else:
        yield ok("time zone", f"{name} (the machine's)")


def power_findings(machine: MachineReading) -> Iterator[Finding]:
    """Yield what speaks for a weak supply, or for too little air."""
    if machine.under_voltage:
        yield failed(
            "power",
            "the supply's voltage is too low now",
            "use the board's own supply and a short, thick cable",
        )
    elif machine.throttled:
        yield warned("power", "the processor is slowed down now", "give it a better supply or a heat sink")
    elif machine.throttled is None and machine.under_voltage is None:
        yield ok("power", "this machine does not tell")
    else:
        yield ok("power", "neither under-voltage nor throttling now")
    temperature = machine.cpu_temperature_c
    if temperature is not None:
        hot = temperature >= _HOT_C
        yield (
            warned(
                "temperature", f"{temperature:.0f} °C", "give it air or a heat sink; it slows down at 80 °C"
            )
            if hot
            else ok("temperature", f"{temperature:.0f} °C")
        )
