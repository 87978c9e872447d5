"""All checks in order. A check that fails itself is a finding, too, and stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

from edge_agent.clock import Clock
from edge_agent.config import Configuration
from edge_agent.console.doctor.broker import broker_findings, look_at_broker
from edge_agent.console.doctor.finding import Finding, failed, ok, warned
from edge_agent.console.doctor.machine import clock_findings, power_findings, read_machine, state_findings
from edge_agent.console.doctor.video import camera_findings, stream_findings
from edge_agent.feature import Feature
from edge_agent.updates.config import UpdatesConfig
from edge_agent.updates.helper import Helper

__all__ = ["examine", "update_findings"]


def examine(
    configuration: Configuration, features: Mapping[str, type[Feature]], *, clock: Clock
) -> Iterator[Finding]:
    """Yield what each check finds as soon as it is known. Blocks; not for a running event loop."""
    yield from _guarded("configuration", lambda: _configuration(configuration, features))
    machine = read_machine(configuration)
    yield from _guarded("state directory", lambda: state_findings(configuration.state_dir, machine))
    view = asyncio.run(look_at_broker(configuration, clock=clock))
    yield from _guarded("broker", lambda: broker_findings(configuration, view, now=clock.now()))
    yield from _guarded(
        "camera",
        lambda: camera_findings(
            configuration, agent_runs=view.agent == "online", status=view.status, clock=clock
        ),
    )
    yield from _guarded("stream", lambda: stream_findings(configuration))
    yield from _guarded("clock", lambda: clock_findings(configuration, machine))
    yield from _guarded("power", lambda: power_findings(machine))
    if "updates" in features:
        config = configuration.section("updates", UpdatesConfig)
        yield from _guarded("updates", lambda: update_findings(config, Helper()))


def _configuration(configuration: Configuration, features: Mapping[str, type[Feature]]) -> Iterator[Finding]:
    where = f"{configuration.path} can be used" if configuration.path else "there is no file: all defaults"
    yield ok("configuration", where)
    for warning in configuration.warnings:
        yield warned("configuration", warning, "mend it as it says")
    faults = [fault for feature in features.values() for fault in feature.faults(configuration)]
    for fault in faults:
        yield failed(
            "profiles and schedules", fault, "mend the file; 'edge-agent check' tells all of this, too"
        )
    if not faults:
        yield ok("profiles and schedules", "no faults")


def update_findings(config: UpdatesConfig, helper: Helper) -> Iterator[Finding]:
    """Yield whether newer versions of the agent can be installed by its command."""
    if not config.install:
        yield ok("updates", "are not installed by the agent: updates.install is false")
    elif helper.is_there:
        yield ok("updates", f"may be installed: {helper.socket} is there")
    else:
        yield warned(
            "updates",
            f"updates.install is true, but {helper.socket} is not there",
            "sudo edge-agent-setup --allow-updates; without the Debian package: updates.install: false",
        )


def _guarded(check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001 - the other checks are all the more of interest then
        yield failed(check, f"could not be looked at: {type(error).__name__}: {error}", "report this, please")
