"""What a package needs that is no file of the checkout: the man page, and the installed package's metadata.

package_files.py man PATH
package_files.py metadata DIST-PACKAGES
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write what the arguments name."""
    kind, target = sys.argv[1], Path(sys.argv[2])
    {"man": write_man_page, "metadata": write_metadata}[kind](target)


def version() -> str:
    """Return the package's version, without importing it."""
    text = (CHECKOUT / "edge_agent/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        sys.exit("edge_agent/__init__.py has no __version__")
    return found[1]


def write_metadata(dist_packages: Path) -> None:
    """Write the `.dist-info` that pip would: the features are found by its entry points."""
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    directory = dist_packages / f"edge_agent-{version()}.dist-info"
    directory.mkdir(parents=True)
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version()}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {requirement}" for requirement in project["dependencies"]),
    ]
    (directory / "METADATA").write_text("\n".join(metadata) + "\n", encoding="utf-8")
    (directory / "INSTALLER").write_text("dpkg\n", encoding="utf-8")
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in sorted(entries.items())), ""]
    (directory / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def write_man_page(path: Path) -> None:
    """Write edge-agent(1) from what `--help` says."""
    sys.path.insert(0, str(CHECKOUT))
    from typer.main import get_command  # noqa: PLC0415 - only this needs the agent's own dependencies

    from edge_agent.cli import app  # noqa: PLC0415 - see above

    root: Any = get_command(app)
    lines = [
        f'.TH EDGE\\-AGENT 1 "" "edge\\-agent {version()}" "User Commands"',
        ".SH NAME",
        "edge\\-agent \\- MQTT agent for one camera",
        ".SH SYNOPSIS",
        ".B edge\\-agent",
        "COMMAND [OPTIONS] [ARGUMENTS]",
        ".SH DESCRIPTION",
        *_paragraphs(root.help or ""),
        ".SH COMMANDS",
    ]
    for name, command in sorted(root.commands.items()):
        if command.hidden:
            continue
        arguments = [param for param in command.params if param.param_type_name == "argument"]
        shown = " ".join(
            _word(param) if getattr(param, "required", False) else f"[{_word(param)}]" for param in arguments
        )
        lines += [f".SS {_escape(f'{name} {shown}'.strip())}", *_paragraphs(command.help or "")]
        for param in command.params:
            if getattr(param, "hidden", False):
                continue
            if param.param_type_name == "argument":
                label = _word(param)
            else:
                names = ", ".join([*param.opts, *param.secondary_opts])
                label = names if param.is_flag else f"{names} VALUE"
            lines += [".TP", f".B {_escape(label)}", _escape(getattr(param, "help", None) or "See above.")]
    lines += [
        ".SH FILES",
        ".TP",
        ".I /etc/edge\\-agent/config.yaml",
        "The configuration; 'edge\\-agent check' explains what is in force.",
        ".TP",
        ".I /etc/credstore/edge\\-agent.mqtt.password",
        "The broker's password, for the service.",
        ".TP",
        ".I /var/lib/edge\\-agent",
        "What survives a restart.",
        ".SH SEE ALSO",
        ".BR edge\\-agent\\-setup (8),",
        ".BR systemd.exec (5)",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _word(param: Any) -> str:
    return str(getattr(param, "metavar", None) or param.name).upper()


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        lines += [*([".PP"] if number else []), _escape(" ".join(paragraph.split()))]
    return lines


def _escape(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    main()
