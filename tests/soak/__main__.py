"""`make soak`: an agent, a server, random faults; at the end, whether anything leaked or is unexplained.

python -m tests.soak [--minutes 60] [--seed 1] [--every-s 25]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import psutil

from tests.agent_process import AgentProcess
from tests.bench.processes import children_of
from tests.brokers import Mosquitto, mosquitto_executable
from tests.listener import Listener
from tests.receiver import Receiver
from tests.rtsp_servers import wait_until
from tests.soak.faults import Done, Faults
from tests.soak.samples import Sampler, course, flatness

_MIB = 1024 * 1024
_FLAT = 0.05
_LEAKED = 2.0
_WARM_UP = 0.2
# A gap is this long without a frame, of which twenty come a second.
_GAP_S = 1.0
# How long a fault may echo: a camera that was stopped is noticed after 5 s, ended, started and opened.
_ECHO_S = 20.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def gaps(times: list[float], until_s: float) -> list[tuple[float, float]]:
    """Return where no frame came for a second or longer."""
    ends = [*times[1:], until_s]
    return [(begin, end) for begin, end in zip(times, ends, strict=True) if end - begin >= _GAP_S]


def unexplained(found: list[tuple[float, float]], faults: list[Done]) -> list[tuple[float, float]]:
    """Return the gaps that began neither in a fault nor soon after it."""
    return [
        (begin, end)
        for begin, end in found
        if not any(
            fault.begun_s - _GAP_S <= begin <= fault.ended_s + _ECHO_S or begin <= fault.begun_s <= end
            for fault in faults
        )
    ]


def report(sampler: Sampler, *, since_s: float) -> bool:
    """Say what each process used, and whether that is flat."""
    flat = True
    for role, samples in sorted(sampler.samples.items()):
        found = flatness(samples, since_s=since_s)
        lives = len({sample.pid for sample in samples})
        if found is None:
            say(f"  {role}: too few samples to say")
            continue
        fine = found.growth <= _FLAT and found.descriptors_growth < _LEAKED
        flat = flat and fine
        say(
            f"  {role}: {found.memory_bytes / _MIB:.1f} MiB ({found.growth:+.1%} over the run), "
            f"{found.descriptors:.0f} descriptors ({found.descriptors_growth:+.1f}), "
            f"{lives} lives, {found.samples} samples{'' if fine else '   <- not flat'}"
        )
        say("    from sixth to sixth " + ", ".join(f"{part / _MIB:.1f}" for part in course(samples)) + " MiB")
    return flat


def soak(directory: Path, *, minutes: float, seed: int, every_s: float) -> bool:
    """Run; whether all was well."""
    stream = {"enabled": True, "bitrate_bps": 2_000_000}
    with (
        Receiver() as receiver,
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(
            directory,
            port=broker.port,
            listener=listener,
            # As its unit has it.
            environ={"MALLOC_ARENA_MAX": "2"},
            stream={**stream, "url": receiver.url},
        ) as agent,
    ):
        wait_until(lambda: bool(receiver.arrivals), what="the first frame", timeout_s=30)

        def pids() -> dict[str, int]:
            return {"agent": agent.pid, **children_of(agent.pid)}

        chance = Random(seed)
        sampler = Sampler(pids)
        faults = Faults(
            agent=agent, broker=broker, listener=listener, receiver=receiver, pids=pids, chance=chance
        )
        begun_s = time.monotonic()
        end_s = begun_s + minutes * 60
        sampler.start()
        while time.monotonic() < end_s - every_s:
            time.sleep(chance.uniform(0.6, 1.4) * every_s)
            done = faults.one()
            say(f"  {done.begun_s - begun_s:7.1f} s  {done.name}, {done.ended_s - done.begun_s:.1f} s")
            # What was seen so far is of no more use, and would only fill this process.
            listener.seen.clear()
        wait_until(lambda: time.monotonic() >= end_s, timeout_s=every_s * 2 + 60, what="the end")
        sampler.stop()
        alive = psutil.pid_exists(agent.pid)
        final = agent.status(lambda status: status["stream"]["state"] == "publishing", timeout_s=40)
        until_s = time.monotonic()
        times = [arrival.at_s for arrival in receiver.arrivals]
        log = agent.log()
    found = gaps(times, until_s)
    strange = unexplained(found, faults.done)
    say(f"soak of {minutes:g} minutes, seed {seed}: {len(times)} frames, {len(faults.done)} faults")
    counted = Counter(fault.name for fault in faults.done)
    say("  " + ", ".join(f"{count} x {name}" for name, count in counted.most_common()))
    flat = report(sampler, since_s=begun_s + _WARM_UP * minutes * 60)
    longest = max((end - begin for begin, end in found), default=0.0)
    say(f"  {len(found)} gaps, the longest {longest:.1f} s, without a fault that explains it: {len(strange)}")
    for begin, end in strange:
        say(f"    from {begin - begun_s:.1f} s, {end - begin:.1f} s long   <- unexplained")
    tracebacks = log.count("Traceback")
    say(f"  stream: {final['stream']['reconnects']} reconnects, {final['stream']['dropped']} dropped")
    say(f"  in the agent's log: {tracebacks} tracebacks")
    return flat and alive and not strange and not tracebacks


def main() -> int:
    """Exit code 0 where all was well, 1 where something was not, 2 where something is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1, help="which faults, and when")
    parser.add_argument("--every-s", type=float, default=25.0, help="seconds from fault to fault, about")
    options = parser.parse_args()
    if mosquitto_executable() is None:
        say("the soak needs mosquitto: apt-get install mosquitto")
        return 2
    with tempfile.TemporaryDirectory() as directory:
        well = soak(Path(directory), minutes=options.minutes, seed=options.seed, every_s=options.every_s)
    say("all is well" if well else "something is not well")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
