"""A stranger's program: the commands that topics/README.md quotes, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener

README = Path(__file__).parents[2] / "topics" / "README.md"
PROGRAMS = ("bash", "jq", "mosquitto_pub", "mosquitto_sub")


def test_the_commands_of_the_readme_drive_a_camera(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install bash jq mosquitto-clients")
    _, _, chapter = README.read_text(encoding="utf-8").partition("\n## By hand\n")
    script = re.findall(r"^```sh\n(.*?)^```", chapter, re.DOTALL | re.MULTILINE)[0]
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener) as agent:
        agent.online()
        agent.running()
        done = subprocess.run(
            ["bash", "-u", "-c", script],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "BROKER": "127.0.0.1", "PORT": str(mosquitto.port)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "online",
        '{"camera":"running","stream":"stopped","problems":[]}',
        '{"min":0,"max":32,"default":1,"options":null}',
        '{"state":"done","applied":{"contrast":1.4}}',
        '{"state":"done","applied":{"fps":120.13},"clamped":["fps"]}',
        "there is no 'contrats'; did you mean 'contrast'?",
        "1.4",
    ]
    assert (tmp_path / "picture.jpg").read_bytes()[:2] == b"\xff\xd8"
