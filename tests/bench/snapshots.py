"""Snapshots while the stream goes on: how long they take, and what the stream loses by them."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.receiver import Receiver
from tests.rtsp_servers import wait_until

__all__ = ["FRAME_S", "Snapshots", "measure_snapshots"]

_FPS = 30
_TURNS = 5
FRAME_S = 1 / _FPS


@dataclass(frozen=True)
class Snapshots:
    """What was measured. Lost frames are those that did not come to the stream's receiver in time.

    `told` are the lost frames that the replies name; `encoding_s` is what Pillow takes for such a picture.
    """

    took_s: list[float]
    encoding_s: float
    told: int
    lost: int
    lost_without: int
    frames: int


def measure_snapshots(directory: Path, *, count: int) -> Snapshots:
    """Take snapshots of a stream in Full HD, in turns with as long a time without."""
    took_s: list[float] = []
    told = lost = lost_without = frames = 0
    picture = b""
    with _streaming(directory) as (agent, listener, receiver):
        for _ in range(_TURNS):
            begun_s = time.monotonic()
            for _ in range(count // _TURNS):
                mark, asked_s = listener.mark(), time.monotonic()
                reply = agent.command("snapshot", {"to": ["mqtt"]})
                told += reply["result"]["interrupted_frames"]
                seen = listener.wait(f"{agent.base}/image/latest", since=mark)
                picture = seen.payload
                took_s.append(seen.at_s - asked_s)
            ended_s = time.monotonic()
            lost += _lost(receiver, begun_s, ended_s)
            frames += round((ended_s - begun_s) * _FPS)
            time.sleep(ended_s - begun_s)
            lost_without += _lost(receiver, ended_s, time.monotonic())
    return Snapshots(
        took_s=took_s,
        encoding_s=_encoding_s(picture),
        told=told,
        lost=lost,
        lost_without=lost_without,
        frames=frames,
    )


@contextmanager
def _streaming(directory: Path) -> Iterator[tuple[AgentProcess, Listener, Receiver]]:
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        broker = stack.enter_context(Mosquitto(directory))
        listener = stack.enter_context(Listener(broker.port, "#"))
        stream = {"url": receiver.url, "enabled": True, "width": 1920, "height": 1080, "fps": _FPS}
        # More than are taken on by default.
        commands = {"rate_limits": {"snapshot": {"per_s": 100, "burst": 100}}}
        agent = stack.enter_context(
            AgentProcess(directory, port=broker.port, listener=listener, stream=stream, commands=commands)
        )
        agent.online()
        agent.running()
        wait_until(lambda: len(receiver.arrivals) > 3 * _FPS, what="the stream")
        yield agent, listener, receiver


def _lost(receiver: Receiver, begin_s: float, end_s: float) -> int:
    """Return how many frames fewer came than were due; some may come a little later."""
    time.sleep(0.2)
    came = sum(begin_s <= arrival.at_s < end_s for arrival in tuple(receiver.arrivals))
    return max(0, round((end_s - begin_s) * _FPS) - came)


def _encoding_s(picture: bytes) -> float:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    took_s = []
    for _ in range(20):
        begun_s = time.perf_counter()
        image.save(io.BytesIO(), format="JPEG", quality=90)
        took_s.append(time.perf_counter() - begun_s)
    return statistics.median(took_s)
