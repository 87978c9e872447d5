from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.catalogue import command_specs
from edge_agent.console.completion import argument_words, command_words
from edge_agent.feature import discover

SCRIPT = Path(__file__).parents[2] / "systemd/completion/edge-agent.bash"
SPECS = {spec.name: spec for spec in command_specs(discover())}


def words(name: str, begun: str, *given: str) -> list[str]:
    return [word for word, _ in argument_words(SPECS[name], given, begun)]


def test_commands_are_offered_by_their_beginning_with_what_they_do() -> None:
    offered = dict(command_words(SPECS.values(), "re"))
    assert list(offered) == ["refresh", "resolution", "restart"]
    assert offered["refresh"] == "Publish every document again."
    assert len(command_words(SPECS.values(), "")) == len(SPECS)
    assert command_words(SPECS.values(), "nonsense") == []


def test_arguments_are_offered_once() -> None:
    assert words("exposure", "min") == ["min_time_us="]
    assert "gain=" in words("exposure", "")
    assert words("exposure", "ga", "gain=2") == []
    assert words("refresh", "") == []


@pytest.mark.parametrize(
    ("name", "begun", "expected"),
    [
        ("exposure", "flicker=", ["flicker=off", "flicker=50hz", "flicker=60hz"]),
        ("exposure", "flicker=5", ["flicker=50hz"]),
        ("exposure", "gain=", []),
        ("exposure", "fl", ["flicker=off", "flicker=50hz", "flicker=60hz"]),
        ("exposure", "ga", ["gain="]),
        ("exposure", "nonsense=", []),
        ("transform", "hflip=t", ["hflip=true"]),
        ("restart", "ca", ["camera"]),
    ],
)
def test_the_words_of_an_argument_are_offered(name: str, begun: str, expected: list[str]) -> None:
    assert words(name, begun) == expected


def test_a_bare_value_stands_alone() -> None:
    assert "camera" not in words("restart", "", "target=agent")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("edge-agent send framer", ["framerate"]),
        ("edge-agent send exposure flicker=6", ["flicker=60hz"]),
        # bash takes words apart at the sign
        ("edge-agent send exposure flicker = 6", ["60hz"]),
        ("edge-agent send exposure gain = 2 flicker =", ["off", "50hz", "60hz"]),
        ("edge-agent send nonsense x", []),
    ],
)
def test_a_shell_gets_them(line: str, expected: list[str]) -> None:
    environ = {
        **os.environ,
        "_EDGE_AGENT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    program = "from edge_agent.cli import app; app(prog_name='edge-agent')"
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=50, check=False
    )
    assert ran.stdout.split() == expected, ran.stderr


def test_a_key_in_bash_is_followed_by_its_value_and_no_space(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    ours, theirs = pty.openpty()
    environ = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PS1": "$ ",
        "TERM": "dumb",
    }
    with subprocess.Popen(
        [bash, "--norc", "--noprofile", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    ) as shell:
        try:
            # The line is typed, and shown by echo.
            os.write(ours, f"source {SCRIPT}; bind 'set bell-style none'\n".encode())
            os.write(ours, b"edge-agent send exposure ti\t1000 fl\t5\t\x01echo said \n")
            said = b""
            while b"\r\nsaid " not in said or not said.rpartition(b"\r\nsaid ")[2].count(b"\n"):
                said += os.read(ours, 1000)
        finally:
            shell.kill()
            os.close(theirs)
            os.close(ours)
    line = said.rpartition(b"\r\nsaid ")[2].split(b"\r\n")[0].decode()
    assert line.strip() == "edge-agent send exposure time_us=1000 flicker=50hz"
