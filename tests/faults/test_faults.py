"""The quick part of the fault suite; `make faults` is the slow one, with a real MediaMTX if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import mosquitto_executable
from tests.faults.rig import EXPECTED, Outcome, Rig, rig, table
from tests.faults.servers import Own

pytestmark = [pytest.mark.timeout(120), pytest.mark.alone]

# By the fault, how long it lasts: a little longer than the agent takes to be sure.
LASTING_S = {
    "killed": 2.0,
    "stopped": 8.0,
    "400": 2.0,
    "404": 2.0,
    "never answers": 4.0,
    "reads no more": 7.0,
    "cut off": 0.0,
    "401": 3.0,
}
# Network faults are retried at once; this is no measurement, which a busy machine would spoil.
BACK_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, list[Outcome]]]:
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    directory: Path = tmp_path_factory.mktemp("faults")
    outcomes: list[Outcome] = []
    with Own() as server, rig(directory, server) as running:
        yield running, outcomes
    print("\n" + table(outcomes))  # noqa: T201 - the suite's result


@pytest.mark.parametrize("fault", LASTING_S)
def test_the_stream_comes_back_and_status_tells_what_happened(
    stream: tuple[Rig, list[Outcome]], fault: str
) -> None:
    running, outcomes = stream
    # Refused credentials are tried again seldom: who has mended them says so.
    outcome = running.suffer(fault, lasting_s=LASTING_S[fault], restart=fault == "401")
    outcomes.append(outcome)
    assert EXPECTED[fault] & outcome.codes()
    assert outcome.back_s < BACK_WITHIN_S
    # It is told when it goes, perhaps once more when more is known, and when it is back; in between the bit
    # rate may be told to follow what the server takes.
    states = [state for _, state, _ in outcome.told if state in ("failed", "waiting", "publishing")]
    assert states[0] == "failed"
    assert states[-1] == "publishing"
    assert outcome.latency_ms[0] > 0


def test_every_fault_that_can_be_done_is_done() -> None:
    assert set(LASTING_S) == Own().broken_by() == set(EXPECTED)
