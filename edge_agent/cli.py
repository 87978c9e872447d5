"""The command line: one function for each of its commands."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Coroutine, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from edge_agent import __version__
from edge_agent.cli_contract import complete_argument, complete_command, contract
from edge_agent.errors import ConfigError, EdgeAgentError, LinkError, RefusedError

if TYPE_CHECKING:
    from edge_agent.config import Configuration
    from edge_agent.feature import Feature

__all__ = ["app", "main"]

app = typer.Typer(
    name="edge-agent",
    help="An MQTT agent for one camera: takes commands, reports state, streams H.264.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
schedule_app = typer.Typer(help="What schedules will do.", no_args_is_help=True)
app.add_typer(schedule_app, name="schedule")
app.command()(contract)

T = TypeVar("T")

_EXIT_USAGE = 2
_EXIT_NO_BROKER = 5

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="EDGE_AGENT_CONFIG", help="Default: /etc/edge-agent/config.yaml"),
]
BrokerOption = Annotated[
    str | None, typer.Option("--broker", "-b", help="HOST or HOST:PORT, instead of the configuration's")
]


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (ConfigError, RefusedError) as error:
        _fail(error.message, _EXIT_USAGE)
    except LinkError as error:
        _fail(error.message, _EXIT_NO_BROKER)
    except EdgeAgentError as error:
        _fail(error.message, 1)


def _fail(message: str, code: int) -> NoReturn:
    for line in message.splitlines():
        typer.secho(line, fg="red", err=True)
    sys.exit(code)


def _run(doing: Coroutine[Any, Any, T]) -> T:
    import asyncio  # noqa: PLC0415 - `--help` stays quick

    return asyncio.run(doing)


def _load(config: Path | None, broker: str | None = None) -> tuple[Configuration, dict[str, type[Feature]]]:
    from edge_agent.console.loading import load_with_features  # noqa: PLC0415 - `--help` stays quick

    return load_with_features(config, broker=broker)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edge-agent {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """An MQTT agent for one camera: takes commands, reports state, streams H.264."""


@app.command()
def run(config: ConfigOption = None) -> None:
    """Run the agent until it is stopped."""
    from edge_agent.console.run import run_agent, set_up_logging  # noqa: PLC0415 - `--help` stays quick

    configuration, features = _load(config)
    set_up_logging(configuration.log.level, secrets=configuration.secrets())
    run_agent(configuration, features)


@app.command()
def check(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Explain the configuration that is in force: each value and where it comes from, secrets masked.

    What is wrong in profiles and the like is told, too; then it ends with 1.
    """
    from edge_agent.console.loading import check_target  # noqa: PLC0415 - `--help` stays quick

    configuration, features = _load(config)
    check_target(configuration)
    lines = configuration.explain()
    faults = [fault for feature in features.values() for fault in feature.faults(configuration)]
    if as_json:
        typer.echo(
            json.dumps([{"key": line.path, "value": line.value, "origin": line.origin} for line in lines])
        )
        if faults:
            _fail("\n".join(faults), 1)
        return
    from rich.console import Console  # noqa: PLC0415 - only where it shows something
    from rich.table import Table  # noqa: PLC0415 - see above

    table = Table("key", "value", "from", box=None)
    for line in lines:
        table.add_row(
            line.path, str(line.value), line.origin, style="" if line.origin != "default" else "dim"
        )
    console = Console()
    console.print(table)
    for warning in configuration.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    if faults:
        _fail("\n".join(faults), 1)
    console.print("The configuration can be used.", style="green")


@app.command()
def doctor(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Look this installation over: broker, rights, camera, stream, disk, clock; say what to do.

    A running agent is not disturbed. Ends with 1 where something does not work.
    """
    from edge_agent.clock import SystemClock  # noqa: PLC0415 - `--help` stays quick
    from edge_agent.console.doctor.checks import examine  # noqa: PLC0415 - see above
    from edge_agent.console.doctor.finding import Finding, failed  # noqa: PLC0415 - see above

    # What is wrong is told as a finding, not as a log line besides.
    logging.getLogger("edge_agent").setLevel(logging.CRITICAL)
    found: list[Finding] = []

    def tell(finding: Finding) -> None:
        found.append(finding)
        if as_json:
            return
        colour = {"ok": "green", "warn": "yellow", "fail": "red"}[finding.state]
        typer.secho(f"{finding.state:<5}", fg=colour, nl=False)
        typer.echo(f"{finding.check}: {finding.message}")
        if finding.advice:
            typer.echo(f"      -> {finding.advice}")

    try:
        configuration, features = _load(config)
    except ConfigError as error:
        tell(failed("configuration", error.message, "mend it; 'edge-agent check' tells more"))
    else:
        for finding in examine(configuration, features, clock=SystemClock()):
            tell(finding)
    if as_json:
        typer.echo(json.dumps([finding.document() for finding in found]))
    raise typer.Exit(1 if any(finding.state == "fail" for finding in found) else 0)


@app.command()
def send(
    command: Annotated[
        str,
        typer.Argument(
            help="Like exposure, framerate, snapshot, stream ...", autocompletion=complete_command
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            help="key=value ..., one JSON object, or one bare value like 25 or ON",
            autocompletion=complete_argument,
        ),
    ] = None,
    node: Annotated[
        str | None, typer.Option("--node", "-n", help="Default: the configuration's node.id")
    ] = None,
    config: ConfigOption = None,
    broker: BrokerOption = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the outcome.")] = 30.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be applied; change nothing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse instead of clamping.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the replies as JSON lines.")] = False,
) -> None:
    """Send one command to a node, wait for its outcome and exit by it.

    Exit codes: 0 done, 1 failed, 2 rejected, 3 expired, 4 no answer, 5 no broker.
    """
    from edge_agent.catalogue import command_specs  # noqa: PLC0415 - `--help` stays quick
    from edge_agent.clock import SystemClock  # noqa: PLC0415 - see above
    from edge_agent.console.send import EXIT_CODES, NO_ANSWER, arguments_of  # noqa: PLC0415 - see above
    from edge_agent.console.send import send as send_command  # noqa: PLC0415 - see above

    configuration, features = _load(config, broker)
    spec = next((spec for spec in command_specs(features) if spec.name == command), None)
    payload = arguments_of(arguments or [])
    if spec is not None and not isinstance(payload, dict):
        payload = dict(spec.from_bare(payload))
    flags = {"dry_run": dry_run, "strict": strict, "ttl_s": timeout_s}

    def tell(reply: Mapping[str, Any]) -> None:
        if as_json:
            typer.echo(json.dumps(reply))
        else:
            share = f" {reply['progress']:.0%}" if "progress" in reply else ""
            typer.secho(f"{reply.get('state')}{share} ...", dim=True)

    reply = _run(
        send_command(
            config=configuration.mqtt,
            node=node or configuration.node.id,
            command=command,
            payload=payload,
            main=spec.main if spec else None,
            flags={name: value for name, value in flags.items() if value},
            timeout_s=timeout_s,
            clock=SystemClock(),
            tell=tell,
        )
    )
    if reply is None:
        name = node or configuration.node.id
        _fail(
            f"no answer from '{name}' within {timeout_s:g} s; `edge-agent watch` shows who is there",
            NO_ANSWER,
        )
    _show_reply(reply, as_json=as_json)
    raise typer.Exit(EXIT_CODES.get(str(reply.get("state")), 1))


def _show_reply(reply: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(reply))
        return
    error = reply.get("error")
    if error:
        typer.secho(f"{reply.get('state')}: {error.get('message')}", fg="red", err=True)
        return
    typer.secho(f"{reply.get('state')} in {reply.get('duration_ms', 0):.1f} ms", fg="green")
    because = (reply.get("result") or {}).get("clamped_because") or {}
    for name, value in (reply.get("applied") or {}).items():
        note = f"  (clamped: {because[name]})" if name in because else ""
        typer.echo(f"  {name} = {json.dumps(value)}{note}")
    for name, value in (reply.get("result") or {}).items():
        if name != "clamped_because":
            typer.echo(f"  {name}: {json.dumps(value)}")


@app.command()
def watch(
    config: ConfigOption = None,
    broker: BrokerOption = None,
    once: Annotated[bool, typer.Option("--once", help="Show what the broker holds now, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each change.")] = False,
) -> None:
    """Show every node of the broker, live."""
    from rich.console import Console  # noqa: PLC0415 - only where it shows something

    from edge_agent.clock import SystemClock  # noqa: PLC0415 - `--help` stays quick
    from edge_agent.console import watch as watching  # noqa: PLC0415 - see above

    configuration, _ = _load(config, broker)
    clock = SystemClock()
    try:
        if once:
            fleet = _run(watching.watch_once(config=configuration.mqtt, clock=clock))
            if as_json:
                for _, node in sorted(fleet.nodes.items()):
                    typer.echo(json.dumps(node.line()))
            else:
                Console().print(watching.fleet_table(fleet))
        elif as_json:
            _run(watching.watch_as_json(config=configuration.mqtt, clock=clock, write=typer.echo))
        else:
            _run(watching.watch_live(config=configuration.mqtt, clock=clock, console=Console()))
    except KeyboardInterrupt:
        raise typer.Exit from None


@schedule_app.command()
def show(
    config: ConfigOption = None,
    days: Annotated[int, typer.Option("--days", "-d", min=1, max=31, help="How many days.")] = 7,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day. Default: today"),
    ] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw a picture into this file instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what holds when in the coming days, each switch, and the sun."""
    from edge_agent.console.schedule import read_preview  # noqa: PLC0415 - `--help` stays quick

    configuration, _ = _load(config)
    preview, wrong = read_preview(configuration, first=first.date() if first else None, days=days)
    title = f"{configuration.node.name}: {_span(preview.days[0].date, preview.days[-1].date)}"
    if as_json:
        typer.echo(json.dumps(preview.document()))
    elif png is not None:
        from edge_agent.console.schedule_picture import save_picture  # noqa: PLC0415 - only where it draws

        save_picture(preview, png, title=title)
        typer.echo(f"{png} written")
    else:
        from rich.console import Console  # noqa: PLC0415 - only where it shows something

        from edge_agent.console.schedule import timeline  # noqa: PLC0415 - see above

        console = Console()
        console.print(timeline(preview, title=title, width=console.width))
    if wrong:
        _fail("\n".join(wrong), 1)


def _span(first: date, last: date) -> str:
    return f"{first:%A, %d %B %Y}" if first == last else f"{first:%a %d %b} to {last:%a %d %b %Y}"


@app.command()
def cameras(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show the cameras that are attached, the drivers there are, and what `auto` would take."""
    from edge_agent.camera.drivers.registry import survey  # noqa: PLC0415 - `--help` stays quick

    entries = survey()
    if as_json:
        typer.echo(json.dumps([entry.document() for entry in entries]))
        return
    from rich.console import Console  # noqa: PLC0415 - only where it shows something
    from rich.table import Table  # noqa: PLC0415 - see above

    table = Table("driver", "available", "auto takes it", "description", box=None)
    for entry in entries:
        table.add_row(entry.driver, entry.available, "yes" if entry.chosen else "", entry.description)
    Console().print(table)


@app.command()
def demo(
    broker: Annotated[
        str | None, typer.Option("--broker", "-b", help="HOST or HOST:PORT, instead of one of its own")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="End by itself after this long.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the live screen.")] = False,
) -> None:
    """Run the whole thing on this machine: broker, simulated camera, stream and snapshots, live on screen."""
    from edge_agent.demo.runner import run_demo  # noqa: PLC0415 - `--help` stays quick

    raise typer.Exit(_run(run_demo(broker=broker, seconds=seconds, plain=plain)))
