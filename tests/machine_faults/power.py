"""The power is cut at random moments: an agent is started from what the disk holds, and nothing done is lost.

The state directory is on a disk of its own, an image behind a loop device. What the kernel has not written
there yet is not in the image, so that a copy of it is what a power cut leaves.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.machine_faults.house import House, Outcome, house
from tests.machine_faults.machine import Machine

__all__ = ["power_cuts"]

_MIB = 24
_COPIES = 20
_SNAPSHOTS = {"min_free_mb": 1, "limit_mb": 100}


@dataclass
class Said:
    """What was answered with `done`, and what was asked: only that may be found."""

    profiles: dict[str, float] = field(default_factory=dict)
    schedules: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    streaming: bool = False
    under_way: set[str] = field(default_factory=set)

    def copy(self) -> Said:
        """Return it as it is now."""
        return Said(
            dict(self.profiles),
            set(self.schedules),
            set(self.pictures),
            set(self.gone),
            self.streaming,
            set(self.under_way),
        )


class _Busy:
    """Changes something all the time, and notes what was answered."""

    def __init__(self, at: House) -> None:
        self._at = at
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._said = Said()
        self.failure: BaseException | None = None
        self.count = 0

    def start(self) -> None:
        self._thread.start()

    def said(self) -> Said:
        """Return what was answered until now, and what is under way."""
        with self._lock:
            return self._said.copy()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(60)

    def _run(self) -> None:
        try:
            number = 0
            while not self._ending.is_set():
                number += 1
                self._round(number)
        except BaseException as error:  # noqa: BLE001 - it is the test's
            self.failure = error

    def _round(self, number: int) -> None:
        said, contrast = self._said, 1 + number % 64 / 64
        self._do("image", {"contrast": contrast})
        profile, schedule = f"p{number % 8}", f"s{number}"
        if self._do("profile", {"action": "save", "name": profile}, under_way=profile):
            with self._lock:
                said.profiles[profile] = contrast
                said.under_way.discard(profile)
        if self._do(
            "schedule",
            {"action": "set", "name": schedule, "cron": "0 0 1 1 *", "profile": "day"},
            under_way=schedule,
        ):
            with self._lock:
                said.schedules.add(schedule)
                said.under_way.discard(schedule)
        if number % 3 == 0:
            old = f"s{number - 2}"
            if self._do("schedule", {"action": "delete", "name": old}, under_way=old):
                with self._lock:
                    said.schedules.discard(old)
                    said.gone.add(old)
        reply = self._do("snapshot", {"to": ["store"]})
        with self._lock:
            said.pictures.add(reply["result"]["id"])
        streaming = bool(number % 2)
        self._do("stream", {"action": "start" if streaming else "stop"}, under_way="stream")
        with self._lock:
            said.streaming = streaming
            said.under_way.discard("stream")

    def _do(self, name: str, arguments: dict[str, Any], *, under_way: str | None = None) -> Any:
        if under_way is not None:
            with self._lock:
                self._said.under_way.add(under_way)
        reply = self._at.agent.command(name, arguments, timeout_s=30)
        assert reply["state"] == "done", reply
        self.count += 1
        return reply


def power_cuts(directory: Path, lasting_s: float, *, cuts: int = 2, seed: int | None = None) -> Outcome:
    """Cut the power so many times in `lasting_s`, and start from each of the disks."""
    chance = Random(seed)
    images: list[tuple[Path, Said]] = []
    with Machine(directory) as machine:
        image = machine.disk(directory / "state", mib=_MIB)
        with house(directory, through=machine.through, snapshots=_SNAPSHOTS) as at:
            busy = _Busy(at)
            at.begin()
            busy.start()
            moments = sorted(chance.uniform(0.1, 1) * lasting_s for _ in range(cuts))
            for number, moment in enumerate(moments):
                at.last(moment)
                images.append(_cut(at, busy, image, directory / f"cut-{number}.img"))
            busy.stop()
            at.end()
            if busy.failure is not None:
                raise busy.failure
            commands = busy.count
            outcome = at.outcome("power cut")
    starts = [_started_from(directory / f"after-{n}", *found) for n, found in enumerate(images)]
    outcome.back_s = max(starts)
    outcome.note = (
        f"{cuts} cuts among {commands} commands; each start took at most {max(starts):.1f} s to online"
    )
    return outcome


def _cut(at: House, busy: _Busy, image: Path, copy: Path) -> tuple[Path, Said]:
    """Copy the disk as it is at one moment: the agent stands still, what the kernel writes is waited for."""
    said = busy.said()
    # The agent stands still first and goes on last: a child that has ended is there until it looks.
    os.kill(at.agent.pid, signal.SIGSTOP)
    children = _children(at.agent.pid)
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(_COPIES):
            shutil.copyfile(image, copy)
            if filecmp.cmp(image, copy, shallow=False):
                return copy, said
    finally:
        for pid in (*children, at.agent.pid):
            os.kill(pid, signal.SIGCONT)
    raise RuntimeError("the disk never came to rest")


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _pictures(agent: AgentProcess) -> set[str]:
    """Return the ids of all pictures in the store."""
    ids: set[str] = set()
    page: dict[str, Any] = {"next": None}
    while True:
        before = {} if page["next"] is None else {"before": page["next"]}
        page = agent.command("images", {"action": "list", **before})["result"]
        ids.update(picture["id"] for picture in page["pictures"])
        if page["next"] is None:
            return ids


def _started_from(directory: Path, image: Path, said: Said) -> float:
    """Start an agent from what was left, and compare; returns how long it took to be online."""
    directory.mkdir()
    with (
        Machine(directory) as machine,
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
    ):
        machine.disk(directory / "state", image=image)
        begun_s = time.monotonic()
        with AgentProcess(
            directory, port=broker.port, listener=listener, through=machine.through, snapshots=_SNAPSHOTS
        ) as agent:
            agent.online()
            took_s = time.monotonic() - begun_s
            status = agent.running()
            agent.status(lambda status: status["snapshot"]["store"]["state"] == "ready", since=0)
            assert {told["state"] for told in status["features"].values()} == {"running"}, status["features"]
            assert not [each for each in status["problems"] if each["code"] != "stream_down"], status[
                "problems"
            ]
            available = status["profile"]["available"]
            for name in said.profiles:
                assert name in available, f"the profile {name} was saved"
            listed = agent.command("schedule", {"action": "list"})["result"]["schedules"]
            names = {each["name"] for each in listed}
            assert said.schedules - said.under_way <= names, said.schedules - said.under_way - names
            assert not names & (said.gone - said.under_way), names & said.gone
            ids = _pictures(agent)
            assert said.pictures <= ids, f"lost: {said.pictures - ids}"
            if "stream" not in said.under_way:
                assert status["stream"]["enabled"] == said.streaming
            assert agent.command("image", {"contrast": 1.25})["state"] == "done"
    return took_s
