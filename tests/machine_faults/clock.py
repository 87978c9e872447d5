"""The wall clock jumps by a year, forward and back, under a running agent."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.machine_faults.house import House, Outcome, house
from tests.machine_faults.identity import Authority, tls_broker, tls_section
from tests.upload_server import UploadServer

__all__ = ["JumpingClock", "jump", "why_no_jumping_clock"]

YEAR_S = 365 * 24 * 3600
_SOURCE = Path(__file__).with_name("jumping_clock.c")


def why_no_jumping_clock() -> str | None:
    """Return why a clock cannot be made to jump here, None where it can."""
    return None if shutil.which("cc") else "needs cc, for a clock that jumps"


class JumpingClock:
    """A wall clock for processes with `environ`: the real one, plus what `jump` says."""

    def __init__(self, directory: Path) -> None:
        library = directory / "jumping_clock.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        self._file = directory / "clock"
        self.offset_s = 0
        self._file.write_bytes(bytes(8))
        self.environ = {"LD_PRELOAD": str(library), "JUMPING_CLOCK": str(self._file)}

    def jump(self, offset_s: int) -> None:
        """Set the clock so far from the real one."""
        self.offset_s = offset_s
        with self._file.open("r+b") as file:
            file.write(offset_s.to_bytes(8, "little", signed=True))

    def now_s(self) -> float:
        """Return the time that it shows."""
        return time.time() + self.offset_s


# A command each second, so that a storm or a standstill shows.
_EVERY_SECOND = 'often: {cron: "* * * * * *", command: refresh}\n'
_WATCHED_S = 3.0
# The clock is looked at every ten seconds: by then what was a year ahead is seen to be none.
_NOTICED_S = 15.0
# Told, and taken back, by the clock as it was when the certificates were looked at, which is once a minute.
_BY_THE_CLOCK = "broker_certificate_expires"


def jump(directory: Path, lasting_s: float) -> list[Outcome]:
    """A year forward under a running agent, then back: two faults, one life."""
    clock = JumpingClock(directory)
    authority = Authority(directory)
    authority.certificate("server", subject="broker", days=200)
    authority.certificate("client", subject="porch", days=3650)
    (directory / "schedules").mkdir()
    (directory / "schedules" / "often.yaml").write_text(_EVERY_SECOND)
    with (
        UploadServer() as server,
        house(
            directory,
            broker=tls_broker,
            connect=lambda broker: tls_section(broker, directory),
            environ=clock.environ,
            profiles={"directories": [str(directory / "schedules")], "timezone": "UTC"},
            upload={
                "url": f"{server.url}/{{id}}.jpg",
                "allow_private": True,
                "retry_base_s": 0.2,
                "retry_cap_s": 1,
            },
        ) as at,
    ):
        _scheduled(at, since=at.listener.mark())
        forward = _jump(at, clock, server, YEAR_S, "clock a year ahead", lasting_s)
        _certificate_is_told(at, clock, forward)
        back = _jump(at, clock, server, 0, "clock back by a year", lasting_s)
    return [forward, back]


def _jump(
    at: House, clock: JumpingClock, server: UploadServer, offset_s: int, fault: str, lasting_s: float
) -> Outcome:
    first = at.agent.command("image", {"contrast": 1.25}, id=f"before {fault}")
    at.agent.command("image", {"contrast": 1.5})
    beat = at.listener.wait(f"{at.agent.base}/heartbeat", since=at.listener.mark()).json
    at.begin()
    since = at.end()
    clock.jump(offset_s)
    # An id from before is known, however the clock looks at its age.
    again = at.agent.command("image", {"contrast": 1.25}, id=f"before {fault}")
    assert again == first
    expiry = datetime.fromtimestamp(clock.now_s(), UTC)
    assert (
        at.agent.command("refresh", expires_at=expiry.replace(year=expiry.year + 2).isoformat())["state"]
        == "done"
    )
    assert (
        at.agent.command("refresh", expires_at=expiry.replace(year=expiry.year - 1).isoformat())["state"]
        == "expired"
    )
    assert at.agent.command("refresh", ttl_s=10)["state"] == "done"
    late_s = _scheduled(at, since=since)
    stored = len(server.stored)
    picture = at.agent.command("snapshot", {"to": ["upload"]})
    assert picture["state"] == "done", picture
    at.listener.wait(
        f"{at.agent.base}/event/upload",
        lambda seen: seen.json["event_type"] == "done",
        since=since,
        timeout_s=30,
    )
    assert len(server.stored) == stored + 1
    status = at.well(
        since=at.listener.mark(),
        accept=lambda status: status["camera"]["settings"]["image"]["contrast"] == 1.5,
        but=_BY_THE_CLOCK,
    )
    outcome = at.outcome(fault)
    at.last(max(lasting_s, _WATCHED_S))
    runs = [
        seen
        for seen in at.listener.seen[since:]
        if seen.topic == f"{at.agent.base}/event/schedule" and seen.json["event_type"] == "done"
    ]
    seconds = at.age_s()
    assert len(runs) <= seconds + 3, f"{len(runs)} runs of a schedule within {seconds:.0f} s"
    # The schedule's command publishes the last one anew.
    told = [seen.json for seen in at.listener.seen[since:] if seen.topic == f"{at.agent.base}/heartbeat"]
    beats = list({each["seq"]: each for each in told if each["seq"] > beat["seq"]}.values())
    assert [each["seq"] for each in beats] == list(range(beat["seq"] + 1, beat["seq"] + 1 + len(beats)))
    assert abs(_time_s(beats[-1]["time"]) - clock.now_s()) < 5
    assert len(beats) >= seconds / 2
    outcome.note = (
        f"{len(beats)} heartbeats, {len(runs)} runs of a schedule that is due each second, "
        f"in {seconds:.0f} s; "
        f"schedules went on after {late_s:.1f} s; clock_synced {beats[-1]['clock_synced']}; "
        f"status.time {status['time']}"
    )
    return outcome


def _scheduled(at: House, *, since: int) -> float:
    """Wait for a run of the schedule; returns how long that took."""
    begun_s = time.monotonic()
    at.listener.wait(
        f"{at.agent.base}/event/schedule",
        lambda seen: seen.json["event_type"] == "done",
        since=since,
        timeout_s=_NOTICED_S,
    )
    return time.monotonic() - begun_s


def _certificate_is_told(at: House, clock: JumpingClock, outcome: Outcome) -> None:
    """By that clock the broker's certificate has run out: the next connection is refused, and why is told."""
    mark, since = len(at.agent.log()), at.listener.mark()
    at.broker.kill()
    at.broker.start()
    at.logged("check mqtt.host, mqtt.tls.ca and the clock", after=mark)
    clock.jump(0)
    at.back(since=since, but=_BY_THE_CLOCK)
    clock.jump(YEAR_S)
    outcome.note += "; a new TLS connection: refused, 'certificate has expired ... check ... the clock'"


def _time_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
