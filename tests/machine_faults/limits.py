"""What the kernel gives no more of: file descriptors, and memory."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.machine_faults.house import Outcome, house
from tests.rtsp_servers import wait_until

__all__ = ["camera_out_of_memory", "out_of_descriptors", "why_no_memory_group"]

# Several attempts of a link whose pauses are half a second at most.
_ATTEMPTS_S = 2.0
_GROUPS_V1 = Path("/sys/fs/cgroup/memory")
_GROUPS_V2 = Path("/sys/fs/cgroup")


def _give_no_more(pid: int, hard_limit: int) -> None:
    """Have no descriptor opened any more: what is open stays so, and the lowest free number is the limit."""
    used = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    lowest = next(number for number in range(len(used) + 1) if number not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, hard_limit))


def out_of_descriptors(directory: Path, lasting_s: float) -> Outcome:
    """The agent may open no file any more, its camera dies and its broker is lost; then it may again."""
    with house(directory) as at:
        before = resource.prlimit(at.agent.pid, resource.RLIMIT_NOFILE)
        camera = at.agent.child("camera")
        at.begin()
        _give_no_more(at.agent.pid, before[1])
        told = at.problem("no_descriptors", timeout_s=30)
        assert "LimitNOFILE" in told["advice"]
        assert at.agent.command("refresh")["state"] == "done"
        os.kill(camera, signal.SIGKILL)
        at.problem("camera_down")
        assert at.agent.command("image", {"contrast": 1.5})["error"]["code"] == "camera_unavailable"
        at.last(lasting_s)
        at.broker.kill()
        at.logged("was lost")
        # The numbers of what is closed by now would do for a connection.
        _give_no_more(at.agent.pid, before[1])
        at.broker.start()
        at.last(at.age_s() + _ATTEMPTS_S)
        since = at.end()
        resource.prlimit(at.agent.pid, resource.RLIMIT_NOFILE, before)
        status = at.back(since=since)
        outcome = at.outcome("out of file descriptors", f"last_outage: {status['link']['last_outage']}")
        assert "Too many open files" in status["link"]["last_outage"]["reason"]
        assert at.agent.command("image", {"contrast": 1.5})["state"] == "done"
    return outcome


# ---- memory


def why_no_memory_group() -> str | None:
    """Return why no group of processes with a limit can be made here, None where it can."""
    try:
        with _memory_group():
            return None
    except OSError as error:
        return f"a control group for memory cannot be made here: {error}"


@contextlib.contextmanager
def _memory_group() -> Iterator[tuple[Path, str]]:
    """Make a control group, of either version; yields it and the name of its limit."""
    if (_GROUPS_V1 / "memory.limit_in_bytes").exists():
        group, limit = _GROUPS_V1 / f"edge-agent-{os.getpid()}", "memory.limit_in_bytes"
    elif (_GROUPS_V2 / "cgroup.controllers").exists():
        group, limit = _GROUPS_V2 / f"edge-agent-{os.getpid()}", "memory.max"
    else:
        raise OSError("there are no control groups for memory")
    group.mkdir()
    try:
        if not (group / limit).exists():
            raise OSError("the controller for memory is not delegated")
        yield group, limit
    finally:
        wait_until(
            lambda: not (group / "cgroup.procs").read_text().split(), what="the group's processes' end"
        )
        group.rmdir()


def camera_out_of_memory(directory: Path, lasting_s: float) -> Outcome:
    """The camera's process may have little memory and is asked for more: the kernel kills it."""
    with _memory_group() as (group, limit), house(directory) as at:
        before = at.agent.child("camera")
        (group / "cgroup.procs").write_text(str(before))
        (group / limit).write_text(str(24 << 20))
        at.begin()
        at.agent.command("resolution", {"width": 1920, "height": 1080}, timeout_s=30)
        event = at.listener.wait(
            f"{at.agent.base}/event/camera",
            lambda seen: "SIGKILL" in str(seen.json.get("reason")),
            since=0,
            timeout_s=30,
        )
        assert "memory" in event.json["reason"]
        at.last(lasting_s)
        since = at.end()
        status = at.well(since=since)
        outcome = at.outcome("camera's process out of memory", f"camera's reason: {event.json['reason']}")
        assert at.agent.child("camera") != before
        assert status["camera"]["restarts"] >= 1
    return outcome
