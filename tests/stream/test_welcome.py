from __future__ import annotations

from edge_agent.errors import CameraUnavailableError
from edge_agent.stream.welcome import Welcome
from tests.clocks import ManualClock, settled


class Camera:
    """Counts what it is asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def request_keyframe(self) -> None:
        self.asked += 1
        if self.away:
            raise CameraUnavailableError("the camera is away")


async def _a_second(clock: ManualClock) -> None:
    for _ in range(10):
        await settled()
        clock.advance(0.1)
    await settled()


async def test_the_first_session_of_an_encoding_is_welcomed_once() -> None:
    clock, camera = ManualClock(), Camera()
    welcome = Welcome(clock=clock, request_keyframe=camera.request_keyframe)
    welcome.session_began()
    await _a_second(clock)
    assert camera.asked == 0
    for _ in range(2):
        welcome.prepare(due=True)
        welcome.session_began()
        await _a_second(clock)
        welcome.session_began()
        await _a_second(clock)
    assert camera.asked == 6


async def test_an_encoding_that_ended_is_welcomed_no_more() -> None:
    clock, camera = ManualClock(), Camera()
    welcome = Welcome(clock=clock, request_keyframe=camera.request_keyframe)
    welcome.prepare(due=True)
    welcome.prepare(due=False)
    welcome.session_began()
    await _a_second(clock)
    assert camera.asked == 0


async def test_it_ends_when_told_and_outlives_a_camera_that_is_away() -> None:
    clock, camera = ManualClock(), Camera()
    camera.away = True
    welcome = Welcome(clock=clock, request_keyframe=camera.request_keyframe)
    welcome.prepare(due=True)
    welcome.session_began()
    await settled()
    clock.advance(0.2)
    await settled()
    assert camera.asked == 1
    clock.advance(0.3)
    await settled()
    assert camera.asked == 2
    welcome.end()
    await _a_second(clock)
    assert camera.asked == 2
