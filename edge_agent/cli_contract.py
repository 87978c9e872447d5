"""What the command line tells of the contract, and completes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["complete_argument", "complete_command", "contract"]


def complete_command(incomplete: str) -> list[tuple[str, str]]:
    """Return the commands that begin so, and what they do."""
    from edge_agent.catalogue import command_specs  # noqa: PLC0415 - `--help` stays quick
    from edge_agent.console.completion import command_words  # noqa: PLC0415 - see above
    from edge_agent.feature import discover  # noqa: PLC0415 - see above

    return command_words(command_specs(discover()), incomplete)


def complete_argument(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the arguments of the command, or the words that one takes, that begin so."""
    from edge_agent.catalogue import command_specs  # noqa: PLC0415 - `--help` stays quick
    from edge_agent.console.completion import argument_words  # noqa: PLC0415 - see above
    from edge_agent.feature import discover  # noqa: PLC0415 - see above

    name, given = ctx.params.get("command"), ctx.params.get("arguments") or ()
    spec = next((spec for spec in command_specs(discover()) if spec.name == name), None)
    return [] if spec is None else argument_words(spec, given, incomplete)


def contract(
    directory: Annotated[Path, typer.Argument(help="Where to write to.")] = Path("topics"),
    verify: Annotated[bool, typer.Option("--check", help="Write nothing; fail where it is stale.")] = False,
    compatible_with: Annotated[
        Path | None,
        typer.Option(help="Only compare with a released one: a directory, commands.json or asyncapi.yaml."),
    ] = None,
) -> None:
    """Write the published contract: AsyncAPI, JSON Schemas, the reference, access lists.

    With --compatible-with say what the present one breaks and adds; ends with 1 where it breaks something.
    """
    from edge_agent.catalogue import contract_files, write_contract  # noqa: PLC0415 - `--help` stays quick
    from edge_agent.feature import discover  # noqa: PLC0415 - see above

    if compatible_with is not None:
        from edge_agent.released import differences  # noqa: PLC0415 - see above

        found = differences(compatible_with, contract_files(discover()))
        for difference in found:
            typer.secho(str(difference), fg="red" if difference.breaks else None)
        if any(difference.breaks for difference in found):
            raise typer.Exit(1)
        typer.echo(f"Nothing of {compatible_with} is broken.")
        return
    stale = write_contract(directory, discover(), dry_run=verify)
    for path in stale:
        typer.echo(f"{path} {'is stale: run `make contract`' if verify else 'written'}")
    if verify and stale:
        raise typer.Exit(1)
