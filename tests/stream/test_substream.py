from __future__ import annotations

import json

import pytest

from edge_agent.camera.messages import Beat, Encoded, StreamName, SubBeat
from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.errors import ConfigError
from edge_agent.health.problems import Problems
from edge_agent.mqtt.message import Outgoing
from edge_agent.stream.substream import SubCamera, SubEvents, SubProblems, sub_url
from tests.clocks import ManualClock


@pytest.mark.parametrize(
    ("url", "sub"),
    [
        ("rtsp://localhost:8554/porch", "rtsp://localhost:8554/porch_sub"),
        ("rtsps://user:pass@host/a/b/?x=1", "rtsps://user:pass@host/a/b_sub?x=1"),
    ],
)
def test_it_goes_beside_the_main_stream(url: str, sub: str) -> None:
    assert sub_url(url) == sub


@pytest.mark.parametrize("url", ["srt://user:secret@host:8890?streamid=publish:porch", "rtsp://host:8554/"])
def test_where_there_is_no_path_one_has_to_be_given(url: str) -> None:
    with pytest.raises(ConfigError, match=r"stream\.sub\.url") as error:
        sub_url(url)
    assert "secret" not in error.value.message


class Camera:
    def __init__(self) -> None:
        self.beat = Beat(frames=7, packets=100, encoder="libx264", dropped_packets=5, encoding=True)
        self.asked: list[tuple[str, StreamName]] = []

    async def set_encoding(self, *, enabled: bool, stream: StreamName = "main") -> None:
        self.asked.append((f"encode {enabled}", stream))

    async def request_keyframe(self, *, stream: StreamName = "main") -> None:
        self.asked.append(("keyframe", stream))


async def test_its_camera_is_the_same_one_s_other_stream() -> None:
    camera = Camera()
    sub = SubCamera(camera)
    await sub.set_encoding(enabled=True)
    await sub.request_keyframe()
    assert camera.asked == [("encode True", "sub"), ("keyframe", "sub")]
    assert (sub.beat.packets, sub.beat.dropped_packets, sub.beat.encoder) == (0, 0, None)
    assert not sub.beat.encoding
    encoded = Encoded(encoder="libx264", width=640, height=360)
    camera.beat = camera.beat.model_copy(
        update={"sub": SubBeat(encoding=True, packets=3, dropped_packets=1, encoded=encoded, failure="why")}
    )
    assert (sub.beat.packets, sub.beat.dropped_packets, sub.beat.encoder) == (3, 1, "libx264")
    assert sub.beat.encoding
    assert sub.failure == "why"


def test_what_it_tells_is_not_taken_for_the_main_stream_s() -> None:
    sent: list[Outgoing] = []
    clock = ManualClock()
    events = Events(topics=Topics(root="edge/v1", node="porch"), clock=clock, publish=sent.append)
    problems = Problems(clock=clock, events=events, changed=lambda: None)
    SubEvents(events).emit("stream", "publishing", reason=None)
    assert sent[0].topic == "edge/v1/porch/event/substream"
    assert json.loads(sent[0].payload)["event_type"] == "publishing"
    own = SubProblems(problems)
    problems.set("stream_down", "main")
    own.set("stream_down", "refused")
    own.set("settings_not_saved", "full")
    told = {problem["code"]: problem["message"] for problem in problems.document()}
    assert told == {
        "stream_down": "main",
        "substream_down": "the substream: refused",
        "substream_settings_not_saved": "the substream: full",
    }
    own.set("stream_down", None)
    assert {problem["code"] for problem in problems.document()} == {
        "stream_down",
        "substream_settings_not_saved",
    }
