"""Schedules: what a thousand of them cost, and how exactly they come while the agent has much to do."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.agent_process import AgentProcess
from tests.bench.echo import round_trips
from tests.brokers import Mosquitto
from tests.listener import Listener

__all__ = ["Cost", "cost_of", "lateness_under_load", "many"]

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Cost:
    """Seconds from the start to `online` and to the first status that tells the next switch; resident MiB."""

    online_s: float
    scheduled_s: float
    rss_mib: float


def many(count: int) -> str:
    """Return a file of so many schedules, no two alike, of every kind."""
    kinds = (
        'cron: "{m} {h} * * *"\n  profile: day\n  days: [mon-fri]',
        'cron: "{m} {h} * * {d}"\n  profile: night\n  from: 10-01\n  until: 03-31',
        'sun: {{event: sunset, offset: "-{m}m", not_before: "16:{m:02}"}}\n  profile: night',
        "interval: {{every: {h}h{m}m30s}}\n  command: refresh",
        'cron: "{m} {h} 1 * *"\n  profile: day\n  for: 2h\n  priority: {d}',
    )
    entries = []
    for number in range(count):
        fields = kinds[number % len(kinds)].format(m=number % 60, h=number // 60 % 23 + 1, d=number % 7)
        entries.append(f"s{number}:\n  description: Number {number}\n  {fields}\n")
    return "".join(entries)


def cost_of(directory: Path, count: int) -> Cost:
    """Return what an agent with so many schedules costs."""
    own = directory / f"schedules-{count}"
    own.mkdir()
    (own / "many.yaml").write_text(many(count) + 'one: {cron: "0 7 * * *", profile: day}\n')
    place = {"directories": [str(own)], "timezone": "Europe/Paris", "latitude": 48.86, "longitude": 2.35}
    with Mosquitto(directory) as broker, Listener(broker.port, "#") as listener:
        since, begun = listener.mark(), time.monotonic()
        with AgentProcess(directory, port=broker.port, listener=listener, profiles=place) as agent:
            online_s = agent.online(since=since, timeout_s=60).at_s - begun
            agent.status(lambda status: status["schedule"]["next"], since=since, timeout_s=60)
            scheduled_s = time.monotonic() - begun
            agent.running(since=since, timeout_s=60)
            rss_mib = psutil.Process(agent.pid).memory_info().rss / _MIB
            agent.command("profile", {"name": "day"})
    return Cost(online_s, scheduled_s, rss_mib)


def lateness_under_load(directory: Path, seconds: float) -> tuple[list[float], list[float], float]:
    """Return how late ten schedules a second were begun, in seconds: idle, and under load; and its rate."""
    own = directory / "schedules-jitter"
    own.mkdir()
    image = "command: image, arguments: {saturation: 1.5}"
    (own / "each.yaml").write_text(
        "".join(f'each{number}: {{cron: "* * * * * *", {image}}}\n' for number in range(10))
    )
    with Mosquitto(directory) as broker, Listener(broker.port, "#") as listener:
        profiles = {"directories": [str(own)]}
        with AgentProcess(directory, port=broker.port, listener=listener, profiles=profiles) as agent:
            agent.running()
            idle = _lateness(agent, listener, seconds)
            ended, sent = threading.Event(), [0]
            load = threading.Thread(target=_load, args=(agent, broker.port, ended, sent))
            load.start()
            busy = _lateness(agent, listener, seconds)
            ended.set()
            load.join()
    return idle, busy, sent[0] / seconds


def _lateness(agent: AgentProcess, listener: Listener, seconds: float) -> list[float]:
    since = listener.mark()
    time.sleep(seconds)
    told: list[dict[str, Any]] = [
        seen.json for seen in listener.seen[since:] if seen.topic == f"{agent.base}/event/schedule"
    ]
    return [float(event["late_s"]) for event in told if event["event_type"] == "done"]


def _load(agent: AgentProcess, port: int, ended: threading.Event, sent: list[int]) -> None:
    while not ended.is_set():
        payloads = [{"contrast": 1 + number / 100, "id": f"l{sent[0]}-{number}"} for number in range(100)]
        round_trips(port, f"{agent.base}/cmd/image", f"{agent.base}/reply/image", payloads)
        sent[0] += len(payloads)
