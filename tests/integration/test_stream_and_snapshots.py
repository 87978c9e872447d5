"""What arrives at the far end of the stream: every frame, in order, at its time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.camera.drivers.clips import FRAMES, HEIGHT, WIDTH, luma_of_frame, make_clip
from tests.integration.recorder import THUMBNAIL, Recorder
from tests.listener import Listener
from tests.rtsp_servers import Script, ScriptedRtspServer

pytestmark = pytest.mark.timeout(120)

_FPS = 20
_SNAPSHOTS = 20
_CLIP_FPS = 10


@pytest.fixture
def recorder(mosquitto: Mosquitto) -> Iterator[Recorder]:
    with Recorder() as process:
        yield process


def _publishing(status: Any) -> bool:
    return bool(status["stream"]["state"] == "publishing")


def _grey(jpeg: bytes) -> npt.NDArray[np.float64]:
    return np.asarray(
        Image.open(io.BytesIO(jpeg)).convert("L").resize(THUMBNAIL, Image.Resampling.BOX), float
    )


def _likeness(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_snapshots_leave_no_gap_and_show_what_is_streamed(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener, recorder: Recorder
) -> None:
    stream = {"enabled": True, "url": recorder.url, "fps": _FPS}
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, stream=stream) as agent:
        before = agent.status(_publishing, since=0)["stream"]
        recorder.wait_for(20)
        first, since = len(recorder.frames), listener.mark()
        for number in range(_SNAPSHOTS):
            size = {"width": 1440, "height": 1080} if number % 2 else {}
            assert agent.command("snapshot", size)["state"] == "done"
        recorder.wait_for(len(recorder.frames) + 20)
        after = agent.status(_publishing)["stream"]
        pictures = [
            seen.payload for seen in listener.seen[since:] if seen.topic == f"{agent.base}/image/latest"
        ]

    pts_s = [frame["pts_s"] for frame in recorder.frames[first:]]
    gaps_s = [later - earlier for earlier, later in pairwise(pts_s)]
    assert min(gaps_s) > 0
    assert max(gaps_s) < 2 / _FPS
    assert (after["dropped"], after["reconnects"]) == (before["dropped"], before["reconnects"])

    assert len(pictures) == _SNAPSHOTS
    streamed = recorder.thumbnails()
    for picture in map(_grey, pictures):
        assert max(_likeness(picture, frame) for frame in streamed) > 0.95
        assert max(_likeness(picture[:, ::-1], frame) for frame in streamed) < 0.8
        assert min(abs(picture.mean() - frame.mean()) for frame in streamed) < 8


def test_a_file_is_streamed_whole_in_order_and_at_its_own_speed(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener, recorder: Recorder
) -> None:
    clip = make_clip(tmp_path / "counter.mp4", fps=_CLIP_FPS)
    seconds = 6
    with AgentProcess(
        tmp_path,
        port=mosquitto.port,
        listener=listener,
        camera={"driver": "file", "path": str(clip), "options": {}},
        stream={"enabled": True, "url": recorder.url, "width": WIDTH, "height": HEIGHT, "fps": _CLIP_FPS},
    ) as agent:
        agent.status(lambda status: status["stream"]["encoder"] == "pass-through", since=0)
        recorder.wait_for((seconds + 2) * _CLIP_FPS)

    frames = recorder.frames
    start_s = frames[0]["pts_s"]
    within = [frame for frame in frames if frame["pts_s"] < start_s + seconds]
    assert abs(len(within) - seconds * _CLIP_FPS) <= 1
    # By the clock of the wall too, as far as a busy machine allows: a rush would take no time at all.
    took_s = within[-1]["at_s"] - within[0]["at_s"]
    assert abs(took_s - seconds) < 2

    numbers = [_number(frame["grey"]) for frame in frames]
    assert [later for _, later in pairwise(numbers)] == [(number + 1) % FRAMES for number in numbers[:-1]]


def _number(grey: list[list[int]]) -> int:
    """Return the number that a clip's picture carries as the grey of its left half."""
    left = np.array(grey, float)[4:10, 1:7].mean()
    return min(range(FRAMES), key=lambda number: abs(luma_of_frame(number) - (16 + left * 219 / 255)))


def test_the_server_is_told_when_the_agent_ends(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    with ScriptedRtspServer(Script()) as server:
        stream = {"enabled": True, "url": server.url, "sub": {"enabled": True, "url": server.url}}
        # By chance a camera that goes at the same time would be slower: so more than once.
        for time in range(1, 4):
            with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, stream=stream) as agent:
                agent.status(
                    lambda status: _publishing(status) and status["stream"]["sub"]["state"] == "publishing",
                    since=listener.mark(),
                )
                assert agent.stop() == 0
            assert server.methods("RECORD") == server.methods("TEARDOWN") == 2 * time
