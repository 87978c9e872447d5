"""How many frames a live control takes to show, and what a burst of changes costs."""

from __future__ import annotations

import json
import statistics
import threading
import time
from typing import Any

from edge_agent.camera.drivers.base import Sample
from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.camera.limits import resolve, starting_settings
from edge_agent.clock import SystemClock
from tests.agent_process import FINAL, AgentProcess
from tests.listener import Listener

__all__ = ["burst", "frames_to_show"]


def frames_to_show(rounds: int = 40) -> list[int]:
    """Return, for each of many changes of the exposure time, the frames until the sensor reports it.

    The changes come from another thread at no particular moment of a frame, as commands do.
    """
    driver = SimulatedDriver(options=SimulatedOptions(lux=500), clock=SystemClock())
    capabilities = driver.open()
    settings, _ = starting_settings({"video": {"width": 640, "height": 480, "fps": 30}}, capabilities)
    driver.configure(settings)
    seen: list[Sample] = []
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            sample = driver.read(1.0)
            if sample is not None:
                seen.append(sample)

    thread = threading.Thread(target=loop)
    thread.start()
    taken: list[int] = []
    try:
        for number in range(rounds):
            time_us = 2000 + number * 100
            time.sleep(0.05 + number % 7 * 0.005)
            patch = {"exposure": {"time_us": time_us, "gain": 2.0}}
            resolution = resolve(patch, current=driver.applied(), capabilities=capabilities)
            start = len(seen)
            driver.apply(resolution.settings)
            while not any(sample.reading.exposure_us == time_us for sample in seen[start:]):
                time.sleep(0.001)
            shown = next(i for i, s in enumerate(seen[start:], 1) if s.reading.exposure_us == time_us)
            taken.append(shown)
    finally:
        stop.set()
        thread.join()
        driver.close()
    return taken


def burst(agent: AgentProcess, listener: Listener, count: int = 100) -> dict[str, Any]:
    """Send many changes at once; return how they ended, and the frames beside those that were due."""
    before = agent.status()["camera"]
    begun, since = time.monotonic(), listener.mark()
    for number in range(count):
        listener.publish(f"{agent.base}/cmd/image", {"id": f"burst-{number}", "contrast": 1 + number / 128})
    listener.wait(
        f"{agent.base}/reply/image",
        lambda seen: seen.json["id"] == f"burst-{count - 1}" and seen.json["state"] in FINAL,
        since=since,
    )
    answered_s = time.monotonic() - begun
    time.sleep(2)
    replies = [
        json.loads(seen.payload)
        for seen in listener.seen[since:]
        if seen.topic == f"{agent.base}/reply/image"
    ]
    after = agent.status()["camera"]
    return {
        "done": sum(reply["state"] == "done" for reply in replies),
        "answered_s": answered_s,
        "last_holds": after["settings"]["image"]["contrast"] == 1 + (count - 1) / 128,
        "fps_before": before["fps"],
        "fps_after": after["fps"],
        "durations_ms": statistics.median(reply["duration_ms"] for reply in replies),
    }
