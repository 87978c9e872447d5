from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_agent.stream.evidence import Verdict
from edge_agent.stream.judgement import OWN_PROBLEMS, Facts, judge
from edge_agent.stream.server_view import Source
from tests.stream.beats import beat

HOLDER = Source(kind="rtmpConn", id="x", remote="192.0.2.7:5")
GOOD = Facts(
    enabled=True,
    watched=True,
    contention="clear",
    holder=None,
    child_reason=None,
    beat=beat("publishing", phase="idle", last_packet_age_s=0.03),
    beat_age_s=0.5,
    verdict=None,
)


def test_published_is_what_nothing_speaks_against() -> None:
    judged = judge(GOOD)
    assert (judged.state, judged.reason, judged.code, judged.restart) == ("publishing", None, None, False)


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"enabled": False}, "stopped", None),
        ({"watched": False}, "waiting", None),
        ({"beat": None}, "connecting", None),
        ({"beat_age_s": 2.6}, "failed", "publisher_silent"),
        ({"beat": beat("publishing", phase="write", phase_age_s=2.6)}, "failed", "stream_blocked"),
        (
            {"beat": beat("publishing", phase="write", phase_age_s=2.4, last_packet_age_s=2.4)},
            "failed",
            "stream_blocked",
        ),
        ({"beat": beat("publishing", last_packet_age_s=3.1)}, "waiting", None),
        ({"beat": beat("publishing", last_packet_age_s=None)}, "waiting", None),
        ({"beat": beat("waiting")}, "waiting", None),
        ({"beat": beat("connecting")}, "connecting", None),
        ({"beat": beat("connecting", code="stream_timeout")}, "failed", "stream_timeout"),
        ({"beat": beat("failed", code="stream_rejected")}, "failed", "stream_rejected"),
        ({"beat": beat("failed", code="stream_rejected"), "holder": HOLDER}, "failed", "stream_contested"),
        ({"contention": "checking"}, "connecting", None),
        ({"contention": "contested", "beat": None}, "failed", "stream_contested"),
        ({"contention": "trying"}, "publishing", None),
    ],
)
def test_each_fact_has_its_state(changes: dict[str, Any], state: str, code: str | None) -> None:
    judged = judge(replace(GOOD, **changes))
    assert (judged.state, judged.code) == (state, code)
    assert state in ("publishing", "connecting") or judged.reason


@pytest.mark.parametrize("code", OWN_PROBLEMS)
def test_the_server_s_word_counts_more_than_the_publisher_s(code: Any) -> None:
    verdict = Verdict(code, "it says so", restart=code == "server_no_bytes")
    judged = judge(replace(GOOD, verdict=verdict))
    assert (judged.state, judged.reason, judged.code) == ("failed", "it says so", code)
    assert judged.restart == (code == "server_no_bytes")


def test_a_server_that_hangs_is_told_as_such_while_its_publisher_is_blocked() -> None:
    facts = replace(
        GOOD,
        beat=beat("publishing", phase="write", phase_age_s=4.0),
        verdict=Verdict("server_silent", "it hangs"),
    )
    assert judge(facts).code == "server_silent"


@pytest.mark.parametrize("changes", [{"enabled": False}, {"watched": False}, {"beat": beat("waiting")}])
def test_where_nothing_is_published_the_server_cannot_contradict(changes: dict[str, Any]) -> None:
    verdict = Verdict("server_no_bytes", "nothing comes", restart=True)
    judged = judge(replace(GOOD, verdict=verdict, **changes))
    assert (judged.code, judged.restart) == (None, False)


@pytest.mark.parametrize(("holder", "says"), [(HOLDER, "rtmpConn 192.0.2.7:5"), (None, "most likely")])
def test_a_contest_names_the_other_where_it_is_known(holder: Source | None, says: str) -> None:
    judged = judge(replace(GOOD, contention="contested", holder=holder))
    assert says in str(judged.reason)
