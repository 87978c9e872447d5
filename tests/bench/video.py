"""Everything but the encoder beside ffmpeg: copying the file, and fed by a pipe as picamera2 feeds it."""

from __future__ import annotations

import shlex
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from tests.agent_process import AgentProcess
from tests.bench.processes import children_of, cpu_s, pss_bytes
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.receiver import Receiver
from tests.rtsp_servers import wait_until

__all__ = ["FORMATS", "clip_of", "video"]

_MIB = 1024 * 1024
_TURNS = 3


@dataclass(frozen=True)
class Format:
    """What is streamed."""

    name: str
    size: str
    fps: int
    megabits: int


FORMATS = (
    Format("720p30", "1280x720", 30, 4),
    Format("1080p30", "1920x1080", 30, 8),
    Format("1080p60", "1920x1080", 60, 12),
)


def video(directory: Path, seconds: float, say: Callable[[str], None]) -> None:
    """Compare CPU and memory for each format; `seconds` are those of one of three turns."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        say("video: left out, there is no ffmpeg (apt-get install ffmpeg)")
        return
    for wanted in FORMATS:
        # An agent remembers that its stream was stopped: each has a place of its own.
        own = directory / wanted.name
        own.mkdir()
        _compare(own, wanted, ffmpeg, seconds, say)


def _compare(
    directory: Path, wanted: Format, ffmpeg: str, seconds: float, say: Callable[[str], None]
) -> None:
    clip = clip_of(directory, wanted, ffmpeg)
    with ExitStack() as stack:
        ours, copied, piped = (stack.enter_context(Receiver()) for _ in range(3))
        agent = stack.enter_context(_agent(directory, clip, ours.url))
        copy = shlex.split(
            f"-loglevel error -re -stream_loop -1 -i {clip} -c copy -f rtsp -rtsp_transport tcp"
        )
        copying = stack.enter_context(_process([ffmpeg, *copy, copied.url]))
        pipe = shlex.split("-loglevel error -f h264 -i - -c copy -f rtsp -rtsp_transport tcp")
        fed = stack.enter_context(_process([ffmpeg, *pipe, piped.url], stdin=subprocess.PIPE))
        stack.enter_context(_feeding(clip, wanted.fps, fed))
        _until_frames(ours, copied, piped)
        watched = {"ffmpeg": copying.pid, "pipe": fed.pid, "agent": agent.pid, **children_of(agent.pid)}
        turns = [_turn(watched, seconds) for _ in range(_TURNS)]
        memory = {name: pss_bytes(pid) / _MIB for name, pid in watched.items()}
        frames = [len(receiver.arrivals) for receiver in (ours, copied, piped)]
        # Without a stream the camera's process goes on reading: what is less then is what its packets cost.
        agent.command("stream", {"action": "stop"})
        idle = statistics.median(
            _turn({"camera": watched["camera"]}, seconds)["camera"] for _ in range(_TURNS)
        )
    used = {name: statistics.median(turn[name] for turn in turns) for name in watched}
    writing = max(0.0, used["camera"] - idle)
    say(f"video {wanted.name}, {wanted.megabits} Mbit/s, median of {_TURNS} turns of {seconds:g} s, at once")
    for name in watched:
        say(f"  {name}: {used[name] * 1000:.2f} ms CPU a second, {memory[name]:.1f} MiB (PSS)")
    say(f"  of the camera's, which reads the file as the encoder: {writing * 1000:.2f} ms for its packets")
    say(f"  frames received: ours {frames[0]}, ffmpeg's {frames[1]}, the pipe's {frames[2]}")
    whole = [turn["agent"] + turn["publisher"] + writing for turn in turns]
    for name, wanted_text in (("ffmpeg", "  (wanted: at most 1)"), ("pipe", "")):
        ratio = statistics.median(mine / turn[name] for mine, turn in zip(whole, turns, strict=True))
        kept = (memory["agent"] + memory["publisher"]) / memory[name]
        say(
            f"  to {name}: CPU of all but the encoder {ratio:.2f}{wanted_text}; "
            f"memory {kept:.2f}, the publisher's alone {memory['publisher'] / memory[name]:.2f}"
        )


def _turn(watched: dict[str, int], seconds: float) -> dict[str, float]:
    """Return the CPU seconds a second of each, all measured over the same time."""
    before = {name: cpu_s(pid) for name, pid in watched.items()}
    begun_s = time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - begun_s
    return {name: (cpu_s(pid) - before[name]) / took_s for name, pid in watched.items()}


def clip_of(directory: Path, wanted: Format, ffmpeg: str) -> Path:
    """Make ten seconds of a format with noise, at a constant bit rate."""
    clip = directory / f"{wanted.name}.mp4"
    noise = f"testsrc2=size={wanted.size}:rate={wanted.fps},noise=alls=12:allf=t"
    encoder = f"-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g {wanted.fps}"
    rate = f"{wanted.megabits}M"
    rates = f"-b:v {rate} -minrate {rate} -maxrate {rate} -bufsize {rate} -nal-hrd cbr"
    making = shlex.split(f"-loglevel error -f lavfi -i {noise} -t 10 {encoder} {rates} {clip}")
    subprocess.run([ffmpeg, *making], check=True)
    return clip


@contextmanager
def _agent(directory: Path, clip: Path, url: str) -> Iterator[AgentProcess]:
    with (
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(
            directory,
            port=broker.port,
            listener=listener,
            node=clip.stem,
            camera={"driver": "file", "path": str(clip), "options": {}},
            stream={"enabled": True, "url": url, "width": None, "height": None, "fps": None},
            status={"interval_s": 10},
            heartbeat={"interval_s": 30},
        ) as agent,
    ):
        agent.status(lambda status: status["stream"]["state"] == "publishing", since=0)
        yield agent


@contextmanager
def _process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, **options})
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        if process.stdin is not None:
            process.stdin.close()


@contextmanager
def _feeding(clip: Path, fps: int, fed: subprocess.Popen[bytes]) -> Iterator[None]:
    """Write the clip's pictures into the process's input, in time, as an encoder's output does."""
    stopping = threading.Event()

    def feed() -> None:
        with av.open(str(clip)) as container:
            filtering = av.BitStreamFilterContext("h264_mp4toannexb", container.streams.video[0])
            pictures = [
                bytes(whole)
                for packet in container.demux(video=0)
                if packet.size
                for whole in filtering.filter(packet)
            ]
        next_s = time.monotonic()
        number = 0
        while not stopping.is_set() and fed.stdin is not None:
            try:
                fed.stdin.write(pictures[number % len(pictures)])
                fed.stdin.flush()
            except OSError:
                return
            number += 1
            next_s += 1 / fps
            stopping.wait(max(0.0, next_s - time.monotonic()))

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        fed.kill()
        thread.join(10)


def _until_frames(*receivers: Receiver) -> None:
    wait_until(
        lambda: all(len(receiver.arrivals) > 60 for receiver in receivers), timeout_s=40, what="frames of all"
    )
