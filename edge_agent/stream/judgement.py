"""What is so with the stream, from all that is known: never only what its publisher thinks of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_agent.stream.contention import ContentionState
from edge_agent.stream.evidence import Verdict
from edge_agent.stream.messages import PublisherBeat, PublisherState
from edge_agent.stream.server_view import Source

__all__ = ["OWN_PROBLEMS", "Facts", "Judgement", "judge"]

_SILENT_AFTER_S: Final = 2.5
_FLOWING_WITHIN_S: Final = 3.0

_BLOCKED: Final = ("stream_blocked", "stream_timeout")

# What is a problem of its own, with what is done about it; every other failure is `stream_down`.
OWN_PROBLEMS: Final = {
    "server_no_bytes": "the publisher is restarted",
    "server_silent": "it is watched, and a write that blocks restarts the publisher",
    "server_path_missing": "is stream.server.api the API of the server in stream.url?",
    "stream_contested": "give each camera a path of its own; `stream restart` tries at once",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a judgement needs. `beat` is None where there is no publisher; ages are in seconds."""

    enabled: bool
    watched: bool
    contention: ContentionState
    holder: Source | None
    child_reason: str | None
    beat: PublisherBeat | None
    beat_age_s: float
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The stream's state, why, and a code where something is wrong; whether a new publisher is the remedy."""

    state: PublisherState
    reason: str | None = None
    code: str | None = None
    restart: bool = False


def judge(facts: Facts) -> Judgement:
    """Return what is so. `publishing` is said only where nothing speaks against it."""
    if not facts.enabled:
        return Judgement("stopped", "stopped by command or configuration")
    if facts.contention == "checking":
        return Judgement(
            "connecting", "the server ended the last sessions at once: looking who publishes there"
        )
    if facts.contention == "contested":
        return _contested(facts.holder)
    if not facts.watched:
        return Judgement("waiting", "nobody is watching")
    if facts.beat is None:
        return Judgement("connecting", facts.child_reason or "the publisher is starting")
    judgement = _of_beat(facts.beat, facts.beat_age_s)
    if judgement.code == "stream_rejected" and facts.holder is not None:
        return _contested(facts.holder)
    flows = judgement.state == "publishing"
    # That a write blocks is what a server that hangs comes to.
    if facts.verdict is not None and (flows or judgement.code in _BLOCKED):
        verdict = facts.verdict
        return Judgement("failed", verdict.reason, verdict.code, verdict.restart)
    return judgement


def _contested(holder: Source | None) -> Judgement:
    who = f"another, {holder}," if holder else "another, most likely,"
    return Judgement("failed", f"{who} publishes to the same path of the server", "stream_contested")


def _of_beat(beat: PublisherBeat, beat_age_s: float) -> Judgement:
    if beat.state == "connecting" and beat.code is not None:
        # Another try after a failure: until one succeeds it has failed, told once and not at every try.
        return Judgement("failed", beat.reason, beat.code)
    if beat.state != "publishing":
        return Judgement(beat.state, beat.reason, beat.code)
    if beat_age_s > _SILENT_AFTER_S:
        return Judgement("failed", "the publisher does not answer; it is being restarted", "publisher_silent")
    age_s = (beat.last_packet_age_s or 0.0) + beat_age_s
    if beat.phase == "write" and max(beat.phase_age_s, age_s) > _SILENT_AFTER_S:
        return Judgement("failed", "the server has stopped taking packets", "stream_blocked")
    if beat.last_packet_age_s is None or age_s > _FLOWING_WITHIN_S:
        return Judgement("waiting", f"no packets from the camera for {age_s:.0f} s")
    return Judgement("publishing")
