"""`make bench`: the agent beside its yardsticks, in one run on one machine. Ratios count, not milliseconds.

python -m tests.bench [latency] [start] [memory] [footprint] [video] [controls] [schedules] [uploads]
                      [snapshots] [pictures] [--seconds 60]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from tests.agent_process import AgentProcess
from tests.bench.controls import burst, frames_to_show
from tests.bench.echo import echo_server, round_trips
from tests.bench.footprint import footprint
from tests.bench.pictures import measure_store
from tests.bench.schedules import cost_of, lateness_under_load
from tests.bench.snapshots import FRAME_S, measure_snapshots
from tests.bench.uploads import disk_per_s, plain_per_s, server, spooled_per_s
from tests.bench.video import video
from tests.brokers import Mosquitto, mosquitto_executable
from tests.listener import Listener
from tests.snapshots.pictures import picture_of

_MIB = 1024 * 1024


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def running_agent(directory: Path, **sections: Any) -> Iterator[tuple[AgentProcess, Listener, Mosquitto]]:
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(directory))
        listener = stack.enter_context(Listener(broker.port, "#"))
        agent = AgentProcess(directory, port=broker.port, listener=listener, **sections)
        stack.enter_context(agent)
        agent.online()
        agent.running()
        yield agent, listener, broker


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def latency(directory: Path, _seconds: float) -> None:
    """Command to `done` of a live setting, beside a bare paho echo, in turns through one broker."""
    rounds, each = 10, 100
    camera = {"driver": "simulated", "options": {"lux": 500}}
    with running_agent(directory, camera=camera) as (agent, _, broker), echo_server(broker.port):
        ours: list[float] = []
        bare: list[float] = []
        for turn in range(rounds):
            payloads = [
                {"contrast": 1 + (turn * each + i) % 50 / 50, "id": f"b{turn}-{i}"} for i in range(each)
            ]
            ours += round_trips(broker.port, f"{agent.base}/cmd/image", f"{agent.base}/reply/image", payloads)
            bare += round_trips(broker.port, "bench/echo/in", "bench/echo/out", payloads)
    say(f"latency, {rounds * each} round trips each, QoS 1, in turns")
    for share in (0.5, 0.99):
        mine, theirs = percentile(ours, share), percentile(bare, share)
        say(
            f"  p{share * 100:g}: command to done {mine * 1000:.2f} ms, "
            f"bare paho echo {theirs * 1000:.2f} ms, ratio {mine / theirs:.2f}"
            + ("  (wanted: at most 2)" if share == 0.5 else "")
        )


def start(directory: Path, _seconds: float) -> None:
    """Process start to `online`, and to the first frame, five times."""
    online: list[float] = []
    frames: list[float] = []
    with Mosquitto(directory) as broker, Listener(broker.port, "#") as listener:
        for _ in range(5):
            agent = AgentProcess(directory, port=broker.port, listener=listener)
            since, begun = listener.mark(), time.monotonic()
            with agent:
                online.append(agent.online(since=since).at_s - begun)
                agent.running(since=since)
                frames.append(time.monotonic() - begun)
    say("start, five times")
    say(
        f"  to online: median {statistics.median(online):.2f} s (from {min(online):.2f} to {max(online):.2f})"
    )
    say(f"  to a running camera in status: median {statistics.median(frames):.2f} s")


def memory(directory: Path, seconds: float) -> None:
    """Resident memory of each process, idle: the stream stopped, a small simulated camera."""
    with running_agent(directory, heartbeat={"interval_s": 1}) as (agent, listener, _):
        idle = processes_after(agent, listener, min(seconds, 15))
    say("memory, idle (stream stopped, simulated camera at 320x240)")
    for role, process in idle.items():
        wanted = "  (wanted: at most 55)" if role == "agent" else ""
        say(f"  {role}: {process['rss_bytes'] / _MIB:.1f} MiB, {process['cpu_percent']} % of a core{wanted}")


def processes_after(agent: AgentProcess, listener: Listener, seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds
    seen = listener.wait(
        f"{agent.base}/heartbeat", lambda message: message.at_s > until, timeout_s=seconds + 10
    )
    processes: dict[str, Any] = seen.json["processes"]
    return processes


def controls(directory: Path, _seconds: float) -> None:
    """A live control's way to the first frame that shows it, in frames; and a hundred changes at once."""
    frames = frames_to_show()
    say("controls, simulated camera at 30 fps")
    say(f"  frames until the sensor reports it: median {statistics.median(frames):g}, at most {max(frames)}")
    with running_agent(directory) as (agent, listener, _):
        ended = burst(agent, listener)
    say(
        f"  100 changes at once: {ended['done']} done in {ended['answered_s']:.2f} s, "
        f"the last one holds: {ended['last_holds']}, "
        f"fps {ended['fps_before']} before and {ended['fps_after']} after"
    )


def schedules(directory: Path, seconds: float) -> None:
    """What a thousand schedules cost, and how late they come, idle and beside many commands."""
    one, thousand = cost_of(directory, 0), cost_of(directory, 1000)
    say("schedules, 1,000 beside one")
    for told, cost in (("one", one), ("1,000", thousand)):
        say(
            f"  {told}: online after {cost.online_s:.2f} s, next switch told after {cost.scheduled_s:.2f} s, "
            f"agent {cost.rss_mib:.1f} MiB"
        )
    idle, busy, rate = lateness_under_load(directory, min(seconds, 30))
    say(f"  ten each second, under load from {rate:.0f} commands a second")
    for told, late in (("idle", idle), ("under load", busy)):
        say(
            f"    {told}: {len(late)} runs, late p50 {percentile(late, 0.5) * 1000:.1f} ms, "
            f"p99 {percentile(late, 0.99) * 1000:.1f} ms, at most {max(late) * 1000:.1f} ms"
        )


def uploads(directory: Path, _seconds: float) -> None:
    """Durable uploads a second, beside plain requests in a loop, in turns, to one server on loopback."""
    say("uploads, each on disk before and cleared away after, to a server in a process of its own")
    with server() as url:
        for size_bytes in (100_000, 500_000):
            pictures = []
            for number in range(300):
                content = Random(number).randbytes(size_bytes)
                pictures.append((picture_of(number, content), content))
            ours, plain, kept, disk = [], [], [], []
            for _ in range(5):
                plain.append(plain_per_s(url, pictures, keep_alive=False))
                kept.append(plain_per_s(url, pictures, keep_alive=True))
                disk.append(disk_per_s(directory, pictures, threads=4, at_once=4))
                ours.append(spooled_per_s(url, directory, pictures, at_once=8, concurrency=2))
            mine, theirs, best = statistics.median(ours), statistics.median(plain), statistics.median(kept)
            say(
                f"  {size_bytes // 1000} kB: {mine:.0f} a second, requests in a loop {theirs:.0f}, "
                f"ratio {mine / theirs:.2f}  (wanted: at least 0.8); "
                f"requests with one session, from memory, {best:.0f}, ratio {mine / best:.2f}; "
                f"the disk alone, with nothing to send, {statistics.median(disk):.0f}"
            )


def pictures(directory: Path, _seconds: float) -> None:
    """The store with 100,000 pictures: a list, an added picture, the index made anew, and the memory."""
    seen = measure_store(directory, count=100_000)
    say(f"pictures, {seen.count} in the store")
    for name, took in seen.pages_s.items():
        wanted = "  (wanted: at most 50)" if name.startswith("list") else ""
        say(
            f"  {name}: median {statistics.median(took) * 1000:.1f} ms, "
            f"p99 {percentile(took, 0.99) * 1000:.1f} ms{wanted}"
        )
    say(f"  start: ready after {seen.start_s:.2f} s; without an index after {seen.rebuild_s:.1f} s")
    say(
        f"  memory: {seen.empty_mib:.1f} MiB with an empty store, {seen.full_mib:.1f} MiB after a start "
        f"and all lists, {seen.peak_mib:.1f} MiB at the most while the index was made anew"
    )


def snapshots(directory: Path, _seconds: float) -> None:
    """Snapshot to JPEG on MQTT in Full HD, and the frames that the stream loses meanwhile."""
    seen = measure_snapshots(directory, count=100)
    middle = statistics.median(seen.took_s)
    say(f"snapshots, {len(seen.took_s)} of a stream of 1080p30, simulated camera")
    say(
        f"  command to the JPEG on MQTT: p50 {middle * 1000:.1f} ms, "
        f"p99 {percentile(seen.took_s, 0.99) * 1000:.1f} ms; without the encoding "
        f"({seen.encoding_s * 1000:.1f} ms) p50 is {(middle - seen.encoding_s) / FRAME_S:.2f} frame times  "
        "(wanted: at most 1)"
    )
    say(
        f"  frames that the stream lost meanwhile: {seen.lost} of {seen.frames}, {seen.told} by the replies  "
        f"(wanted: none); as long without snapshots: {seen.lost_without}"
    )


BENCHES: dict[str, Callable[[Path, float], None]] = {
    "latency": latency,
    "start": start,
    "memory": memory,
    "footprint": lambda directory, seconds: footprint(directory, seconds, say),
    "video": lambda directory, seconds: video(directory, seconds / 3, say),
    "controls": controls,
    "schedules": schedules,
    "uploads": uploads,
    "snapshots": snapshots,
    "pictures": pictures,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="all of them by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the CPU is watched")
    options = parser.parse_args()
    if mosquitto_executable() is None:
        say("the benchmarks need mosquitto: apt-get install mosquitto")
        return 2
    for name in options.names or BENCHES:
        with tempfile.TemporaryDirectory() as directory:
            BENCHES[name](Path(directory), options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
