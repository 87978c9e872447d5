"""What the processes use over time, and whether it stays."""

from __future__ import annotations

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

__all__ = ["Flatness", "Sampler", "course", "flatness"]

# A process that has only just begun is still growing.
_GROWN_UP_S = 30.0


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    at_s: float
    pid: int
    memory_bytes: int
    descriptors: int


@dataclass(frozen=True)
class Flatness:
    """A role's samples, all its processes in a row: their medians, and the straight line through them.

    `growth` is the line's rise over the whole time as a share of the median, `descriptors_growth` its rise in
    descriptors: of so few, a connection that comes and goes is a large share.
    """

    samples: int
    memory_bytes: float
    growth: float
    descriptors: float
    descriptors_growth: float


class Sampler:
    """Looks at the processes that `pids` names by their roles, every five seconds."""

    def __init__(self, pids: Callable[[], Mapping[str, int]], *, every_s: float = 5.0) -> None:
        self._pids = pids
        self._every_s = every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: dict[str, list[Sample]] = defaultdict(list)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ending.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            try:
                pids = self._pids()
            except psutil.Error:
                continue
            for role, pid in pids.items():
                try:
                    process = psutil.Process(pid)
                    if time.time() - process.create_time() < _GROWN_UP_S:
                        continue
                    memory, descriptors = process.memory_info().rss, process.num_fds()
                except psutil.Error:
                    continue
                self.samples[role].append(Sample(time.monotonic(), pid, memory, descriptors))


def flatness(samples: list[Sample], *, since_s: float) -> Flatness | None:
    """Return how flat it is from a moment on, None where too few were taken to say."""
    taken = [sample for sample in samples if sample.at_s >= since_s]
    if len(taken) < 6:
        return None
    memory, memory_growth = _line(taken, [float(sample.memory_bytes) for sample in taken])
    descriptors, descriptors_growth = _line(taken, [float(sample.descriptors) for sample in taken])
    return Flatness(len(taken), memory, memory_growth, descriptors, descriptors_growth * descriptors)


def course(samples: list[Sample], *, parts: int = 6) -> list[float]:
    """Return the median memory in each part of the time: it shows what levels off, and what does not."""
    if not samples:
        return []
    begin_s, span_s = samples[0].at_s, samples[-1].at_s - samples[0].at_s
    found: dict[int, list[int]] = defaultdict(list)
    for sample in samples:
        part = int((sample.at_s - begin_s) / span_s * parts) if span_s else 0
        found[min(part, parts - 1)].append(sample.memory_bytes)
    return [statistics.median(found[part]) for part in sorted(found)]


def _line(taken: list[Sample], values: list[float]) -> tuple[float, float]:
    times = [sample.at_s for sample in taken]
    slope = statistics.linear_regression(times, values).slope
    median = statistics.median(values)
    return median, slope * (times[-1] - times[0]) / median
