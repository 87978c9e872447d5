"""Every file that an agent keeps, cut short and with bytes turned: a start never fails for that."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, mosquitto_executable
from tests.listener import Listener
from tests.lived import KEPT, live, started

pytestmark = pytest.mark.timeout(240)

_CUTS = 3
_FLIPS = 2


def files_of(state: Path) -> set[str]:
    return {str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an agent that was stopped after it had done a bit of everything."""
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    directory: Path = tmp_path_factory.mktemp("lived")
    live(directory)
    return directory


def damages(content: bytes, random: Random) -> Iterator[bytes]:
    yield b""
    cuts = {1, len(content) - 1, *(random.randrange(len(content)) for _ in range(_CUTS))}
    for cut in sorted(cuts):
        yield content[:cut]
    for _ in range(_FLIPS):
        at = random.randrange(len(content))
        yield content[:at] + bytes([content[at] ^ (1 << random.randrange(8))]) + content[at + 1 :]
    yield b"\x00" * len(content)
    yield b"[" * 5000
    yield b"null"


def test_it_is_known_what_is_kept(lived: Path) -> None:
    assert files_of(lived / "kept") == KEPT.keys()


@pytest.mark.parametrize("name", sorted(KEPT))
async def test_a_damaged_file_stops_nothing_and_the_others_are_kept(
    lived: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    state, kept = lived / "state", lived / "kept"
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(kept, state)
    content = (kept / name).read_bytes()
    active = (await started(lived))[1]["profile"]["active"]
    for number, damaged in enumerate(damages(content, Random(name))):
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(kept, state)
        (state / name).write_bytes(damaged)
        caplog.clear()
        states, status = await started(lived)
        assert {
            feature: told["reason"] for feature, told in states.items() if told["state"] != "running"
        } == {}, number
        assert None not in {part: status[part] for part in ("profile", "schedule", "desired")}.values()
        # What is whole is still there.
        if name not in ("profile.json", "profiles/mine.yaml"):
            assert status["profile"]["active"] == active
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR], number


def test_an_agent_whose_every_file_is_cut_in_half_lives(lived: Path, tmp_path: Path) -> None:
    for name in KEPT:
        content = (lived / "kept" / name).read_bytes()
        path = tmp_path / "state" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[: len(content) // 2])
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(tmp_path, port=broker.port, listener=listener) as agent,
    ):
        agent.online()
        states = agent.running()["features"]
        assert {told["state"] for told in states.values()} == {"running"}
        assert agent.command("framerate", {"fps": 10})["state"] == "done"
