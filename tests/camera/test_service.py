"""The two watchdogs of the camera: no frame, and no packet, each told and each ended by a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.camera.limits import starting_settings
from edge_agent.camera.memory import SettingsMemory
from edge_agent.camera.messages import Adaptive, AdaptiveOptions, Applied, Beat, Opened, OverlayNames
from edge_agent.camera.overlay_feed import OverlayFeed
from edge_agent.camera.service import CameraService
from edge_agent.camera.software import SoftwareSettings
from edge_agent.contract.events import Events
from edge_agent.contract.status import StatusBoard
from edge_agent.contract.topics import Topics
from edge_agent.errors import CameraUnavailableError, RefusedError
from edge_agent.health.problems import Problems
from edge_agent.mqtt.message import Outgoing
from edge_agent.processes.channel import Message
from edge_agent.processes.child import ChildStatus
from tests.clocks import ManualClock, settled


class FakeChild:
    """A camera process that answers at once, but for an `apply` that a test holds."""

    def __init__(self, clock: ManualClock, callbacks: dict[str, Any]) -> None:
        self.callbacks = callbacks
        self.status = ChildStatus("running", since=clock.now())
        self.restarts: list[str] = []
        self.hold: asyncio.Event | None = None
        self.configuring = asyncio.Event()
        self.hold_open: asyncio.Event | None = None
        self.opening = asyncio.Event()
        self.encoding: list[bool] = []
        self.notices: list[tuple[str, dict[str, Any]]] = []
        driver = SimulatedDriver(options=SimulatedOptions(lux=500), clock=clock, paced=False)
        self.capabilities = SoftwareSettings(driver.open()).capabilities
        self.settings, _ = starting_settings({}, self.capabilities)

    async def request(self, kind: str, body: dict[str, Any], *, timeout_s: float) -> Message:
        if kind == "encode":
            self.encoding.append(body["enabled"])
            return Message("result", body)
        if kind == "open":
            if self.hold_open is not None:
                self.opening.set()
                await self.hold_open.wait()
            opened = Opened(
                driver="fake", because="a test", capabilities=self.capabilities, settings=self.settings
            )
            return Message("result", opened.model_dump(mode="json"))
        if self.hold is not None:
            self.configuring.set()
            await self.hold.wait()
        return Message("result", Applied(settings=body["settings"]).model_dump(mode="json"))

    def notify(self, kind: str, body: dict[str, Any]) -> None:
        self.notices.append((kind, body))

    def restart_soon(self, reason: str) -> None:
        self.restarts.append(reason)

    async def restart(self, reason: str) -> None:
        self.restarts.append(reason)
        self.callbacks["on_down"]("is restarted")

    def beat(self, **measured: Any) -> None:
        self.callbacks["on_message"](Message("beat", Beat(**measured).model_dump(mode="json")))


class Rig:
    new_child: type[FakeChild] = FakeChild

    def __init__(self, directory: Path) -> None:
        self.clock = clock = ManualClock()
        self.published: list[Outgoing] = []
        topics = Topics(root="edge/v1", node="porch")
        events = Events(topics=topics, clock=clock, publish=self.published.append)
        self.problems = Problems(clock=clock, events=events, changed=lambda: None)
        self.camera = CameraService(
            driver="fake",
            options={},
            memory=SettingsMemory(path=directory / "settings.json", configured={}),
            adaptive=AdaptiveOptions(),
            overlay=OverlayFeed(
                names=OverlayNames(),
                board=StatusBoard(
                    topic=topics.status, clock=clock, publish=self.published.append, interval_s=10
                ),
                clock=clock,
            ),
            listener_fd=0,
            new_child=lambda **callbacks: self.new_child(clock, callbacks),  # type: ignore[arg-type] # a fake
            clock=clock,
            events=events,
            problems=self.problems,
            status_changed=lambda: None,
            capabilities_changed=lambda: None,
        )
        self.child: FakeChild = self.camera.child  # type: ignore[assignment] # see above

    def told(self) -> list[str]:
        return [json.loads(message.payload)["event_type"] for message in self.published]


@pytest.fixture
async def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    await made.child.callbacks["on_up"]()
    return made


async def test_frames_that_come_are_no_problem(rig: Rig) -> None:
    rig.child.beat(frames=30, last_frame_age_s=0.03, encoding=True, last_packet_age_s=0.03)
    assert rig.camera.status().state == "running"
    assert rig.child.restarts == []


@pytest.mark.parametrize(
    ("measured", "what"),
    [
        ({"frames": 30, "last_frame_age_s": 2.5, "encoding": True, "last_packet_age_s": 2.5}, "frame"),
        ({"frames": 0, "last_frame_age_s": 3.0}, "frame"),
        (
            {"frames": 99, "last_frame_age_s": 0.1, "encoding": True, "last_packet_age_s": 4.0},
            "encoded packet",
        ),
    ],
    ids=["frames stopped", "no frame ever came", "the encoder stopped"],
)
async def test_silence_is_told_and_ended(rig: Rig, measured: dict[str, Any], what: str) -> None:
    rig.child.beat(**measured)
    status = rig.camera.status()
    assert status.state == "stalled"
    assert status.reason is not None
    assert status.reason.startswith(f"no {what} for ")
    assert len(rig.child.restarts) == 1
    (problem,) = rig.problems.document()
    assert problem["code"] == ("camera_no_frames" if what == "frame" else "encoder_no_packets")
    assert "process is restarted" in problem["message"]
    assert rig.told()[-2:] == ["raised", "stalled"]


@pytest.mark.parametrize(
    ("silent", "flowing", "code"),
    [
        (
            {"frames": 9, "last_frame_age_s": 3.0},
            {"frames": 1, "last_frame_age_s": 0.1},
            "camera_no_frames",
        ),
        (
            {"frames": 9, "last_frame_age_s": 0.1, "encoding": True, "last_packet_age_s": 3.0},
            {"frames": 3, "packets": 2, "last_frame_age_s": 0.1, "encoding": True, "last_packet_age_s": 0.1},
            "encoder_no_packets",
        ),
    ],
    ids=["frames", "packets"],
)
async def test_a_stall_is_one_problem_until_what_was_missing_comes_again(
    rig: Rig, silent: dict[str, Any], flowing: dict[str, Any], code: str
) -> None:
    def codes() -> list[str]:
        return [problem["code"] for problem in rig.problems.document()]

    rig.child.beat(**silent)
    rig.child.callbacks["on_down"]("is restarted")
    assert rig.camera.status().state == "restarting"
    assert codes() == [code], "the restart is the remedy and no fault of its own"
    await rig.child.callbacks["on_up"]()
    rig.child.beat(frames=0, last_frame_age_s=0.1, encoding=bool(silent.get("encoding")))
    assert codes() == [code], "it is open, and nothing has come yet"
    rig.child.beat(**flowing)
    assert codes() == []


async def test_what_was_switched_while_it_was_being_opened_holds(rig: Rig) -> None:
    rig.child.callbacks["on_down"]("died")
    rig.child.hold_open = asyncio.Event()
    opening = asyncio.create_task(rig.child.callbacks["on_up"]())
    await rig.child.opening.wait()
    await rig.camera.set_encoding(enabled=False)
    assert rig.child.encoding == []
    rig.child.hold_open.set()
    await opening
    assert rig.child.encoding == [False]


async def test_a_slow_frame_rate_gets_the_time_of_five_frames(rig: Rig) -> None:
    await rig.camera.change({"video": {"fps": 1.0}}, cause="a test")
    rig.child.beat(frames=3, last_frame_age_s=4.0)
    assert rig.child.restarts == []
    rig.child.beat(frames=3, last_frame_age_s=5.5)
    assert len(rig.child.restarts) == 1


async def test_each_step_of_the_bit_rate_is_told_once(rig: Rig) -> None:
    rates: dict[str, Any] = {"active": True, "target_bps": 8_000_000}
    rig.child.beat(adaptive=Adaptive(**rates, current_bps=8_000_000))
    rig.child.beat(
        adaptive=Adaptive(**rates, current_bps=6_000_000, steps_down=1, reason="the queue is 40% full")
    )
    rig.child.beat(adaptive=Adaptive(**rates, current_bps=6_000_000, steps_down=1))
    rig.child.beat(adaptive=Adaptive(**rates, current_bps=6_600_000, steps_down=1, steps_up=1))
    # Another process of the camera counts anew.
    rig.child.beat(adaptive=Adaptive(**rates, current_bps=8_000_000))
    assert rig.told()[-2:] == ["bitrate_lowered", "bitrate_raised"]
    event = json.loads(rig.published[-2].payload)
    assert event["current_bps"] == 6_000_000
    assert event["reason"] == "the queue is 40% full"


async def test_an_overlay_that_cannot_be_drawn_is_a_problem(rig: Rig) -> None:
    rig.child.beat(overlay_failure="TypeError: no")
    assert [problem["code"] for problem in rig.problems.document()] == ["overlay_failed"]
    rig.child.beat()
    assert rig.problems.document() == []


async def test_an_overlay_that_names_no_field_is_refused_and_changes_nothing(rig: Rig) -> None:
    before = rig.camera.settings
    with pytest.raises(RefusedError, match=r"no field 'camra\.state'"):
        await rig.camera.change({"overlay": {"text": "{camra.state}"}}, cause="a test")
    assert rig.camera.settings == before


async def test_no_frames_are_due_while_it_is_configured_anew(rig: Rig) -> None:
    rig.child.hold = asyncio.Event()
    changing = asyncio.create_task(
        rig.camera.change({"video": {"width": 640, "height": 480}}, cause="a test")
    )
    await rig.child.configuring.wait()
    rig.child.beat(frames=30, last_frame_age_s=4.0)
    assert rig.child.restarts == []
    rig.child.hold.set()
    assert (await changing).interrupted
    rig.child.beat(frames=30, last_frame_age_s=4.0)
    assert len(rig.child.restarts) == 1


async def test_a_restart_by_command_is_over_when_the_camera_is_open(rig: Rig) -> None:
    restarting = asyncio.create_task(rig.camera.restart("a command"))
    await settled()
    assert (rig.camera.running, restarting.done()) == (False, False)
    await rig.child.callbacks["on_up"]()
    await restarting
    assert rig.camera.running


async def test_a_camera_that_does_not_open_again_is_told_to_who_restarted_it(rig: Rig) -> None:
    restarting = asyncio.create_task(rig.camera.restart("a command"))
    await settled()
    rig.clock.advance(31)
    with pytest.raises(CameraUnavailableError, match="the camera is restarting: is restarted"):
        await restarting
