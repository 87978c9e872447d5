from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge_agent.camera.messages import OverlayNames
from edge_agent.camera.overlay_feed import OverlayFeed
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.contract.status import StatusBoard
from edge_agent.errors import ProcessError, RefusedError
from tests.clocks import ManualClock, settled


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.status: dict[str, Any] = {"active": "day"}
        board = StatusBoard(topic="status", clock=self.clock, publish=lambda _message: None, interval_s=10)
        board.add("profile", lambda: self.status)
        self.feed = OverlayFeed(names=OverlayNames(), board=board, clock=self.clock)
        self.settings: CameraSettings | None = None
        self.told: list[dict[str, Any]] = []
        self.away = False

    def overlay(self, text: str, *, enabled: bool = True) -> None:
        self.settings = merge(CameraSettings(), {"overlay": {"text": text, "enabled": enabled}})

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        if self.away:
            raise ProcessError("there is no camera")
        assert kind == "overlay"
        self.told.append(body["values"])

    async def later(self) -> None:
        self.clock.advance(0.5)
        await settled()


async def test_values_are_sent_when_they_change_and_to_a_new_camera() -> None:
    rig = Rig()
    running = asyncio.create_task(rig.feed.run(settings=lambda: rig.settings, tell=rig.tell))
    await settled()
    assert rig.told == []
    rig.overlay("{profile.active} {profile.gone}")
    await rig.later()
    await rig.later()
    assert rig.told == [{"profile.active": "day", "profile.gone": None}]
    rig.status["active"] = "night"
    rig.away = True
    await rig.later()
    rig.away = False
    await rig.later()
    assert [values["profile.active"] for values in rig.told] == ["day", "night"]
    rig.feed.forget()
    await rig.later()
    assert len(rig.told) == 3
    rig.overlay("{profile.active}", enabled=False)
    await rig.later()
    assert rig.told[-1] == {}
    running.cancel()


def test_a_field_that_status_has_not_is_refused_but_not_one_that_is_promised() -> None:
    rig = Rig()
    rig.overlay("{profile.active} {upload.waiting}")
    assert rig.settings is not None
    rig.feed.check(rig.settings)
    rig.overlay("{profle.active}")
    with pytest.raises(RefusedError, match=r"did you mean 'profile\.active'"):
        rig.feed.check(rig.settings)
