"""Pictures on the agent's side: in which order, what may happen meanwhile, and that all is as before."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.capabilities import Reading, Stills
from edge_agent.camera.messages import NOT_PUT_BACK, StillInfo, StillRequest, Take
from edge_agent.errors import CameraError, CameraUnavailableError, ProcessError, RefusedError
from edge_agent.processes.channel import Message
from tests.camera.test_service import FakeChild, Rig
from tests.clocks import ManualClock, settled

SHORT = {"exposure": {"time_us": 500, "gain": 8.0}}


class Photographer(FakeChild):
    """A camera process that takes pictures when it is told to."""

    def __init__(self, clock: ManualClock, callbacks: dict[str, Any]) -> None:
        super().__init__(clock, callbacks)
        self.asked: list[str] = []
        self.takes: list[Take] = []
        self.ready = asyncio.Semaphore(0)
        self.fails: Exception | None = None
        self.capabilities = self.capabilities.model_copy(
            update={"stills": Stills(max_width=4608, max_height=2592, larger_interrupts_stream=True)}
        )

    async def request(
        self, kind: str, body: dict[str, Any], *, timeout_s: float, attachment: bytes = b""
    ) -> Message:
        self.asked.append(kind)
        if kind == "drop":
            return Message("result", {})
        if kind not in {"still", "next"}:
            return await super().request(kind, body, timeout_s=timeout_s)
        if kind == "still":
            self.takes.append(Take.model_validate(body))
        await self.ready.acquire()
        if self.fails is not None:
            raise self.fails
        info = StillInfo(
            width=2,
            height=1,
            format="jpeg",
            reading=Reading(sequence=len(self.asked)),
            captured_at=datetime(2026, 1, 1, tzinfo=UTC),
            settings=self.takes[-1].settings or self.settings,
        )
        return Message("result", info.model_dump(mode="json"), attachment=b"picture")


class Gallery(Rig):
    """A camera service on a photographer."""

    new_child = Photographer
    child: Photographer

    def restarts(self) -> list[str]:
        return self.child.restarts


@pytest.fixture
async def gallery(tmp_path: Path) -> Gallery:
    made = Gallery(tmp_path)
    await made.child.callbacks["on_up"]()
    return made


async def soon(*tasks: asyncio.Task[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)


async def test_a_picture_is_what_the_camera_sends(gallery: Gallery) -> None:
    gallery.child.ready.release()
    info, content = await gallery.camera.still(StillRequest(width=640, height=360, quality=70))
    assert (info.width, content) == (2, b"picture")
    (take,) = gallery.child.takes
    assert (take.size, take.request.quality, take.settings) == ((640, 360), 70, None)


async def test_what_cannot_be_is_refused_before_the_camera_hears_of_it(gallery: Gallery) -> None:
    with pytest.raises(RefusedError, match="16 to 4608 pixels"):
        await gallery.camera.still(StillRequest(width=9999, height=100))
    with pytest.raises(RefusedError, match="takes no dng pictures"):
        await gallery.camera.still(StillRequest(format="dng"))
    with pytest.raises(RefusedError):
        await gallery.camera.burst(StillRequest(format="dng")).__anext__()
    assert "still" not in gallery.child.asked


async def test_that_the_stream_stops_is_said_before(gallery: Gallery) -> None:
    assert gallery.camera.still_interrupts(StillRequest()) is None
    assert "the camera stops for it" in str(gallery.camera.still_interrupts(StillRequest(full=True)))


async def test_pictures_come_one_after_the_other(gallery: Gallery) -> None:
    tasks = [asyncio.create_task(gallery.camera.still(StillRequest())) for _ in range(3)]
    await settled()
    assert gallery.child.asked.count("still") == 1
    for _ in range(3):
        gallery.child.ready.release()
    assert len({info.reading.sequence for info, _ in await soon(*tasks)}) == 3


async def test_how_many_may_wait_is_bounded(gallery: Gallery) -> None:
    tasks = [asyncio.create_task(gallery.camera.still(StillRequest())) for _ in range(16)]
    await settled()
    with pytest.raises(CameraError, match="16 requests for pictures wait already"):
        await gallery.camera.still(StillRequest())
    for _ in tasks:
        gallery.child.ready.release()
    assert all(isinstance(done, tuple) for done in await soon(*tasks))


async def test_borrowed_settings_are_told_while_they_hold_and_never_remembered(
    gallery: Gallery, tmp_path: Path
) -> None:
    camera = gallery.camera
    lasting = camera.settings
    task = asyncio.create_task(camera.still(StillRequest(settings=SHORT)))
    await settled()
    status = camera.status()
    assert status.settings is not None
    assert status.settings.exposure.time_us == 500
    assert status.for_picture == {
        "exposure.mode": "manual",
        "exposure.time_us": 500,
        "exposure.gain": 8.0,
    }
    assert camera.settings == lasting
    await camera.save()
    gallery.child.ready.release()
    info, _ = (await soon(task))[0]
    assert info.settings.exposure.time_us == 500
    assert camera.status().settings == lasting
    assert camera.status().for_picture is None
    assert not (tmp_path / "settings.json").exists() or "500" not in (tmp_path / "settings.json").read_text()


async def test_changes_wait_for_a_picture_with_settings_of_its_own_and_no_other(gallery: Gallery) -> None:
    camera, child = gallery.camera, gallery.child
    plain = asyncio.create_task(camera.still(StillRequest()))
    await settled()
    await camera.change({"image": {"contrast": 2.0}}, cause="a test")
    child.ready.release()
    await soon(plain)
    borrowing = asyncio.create_task(camera.still(StillRequest(settings=SHORT)))
    await settled()
    change = asyncio.create_task(camera.change({"image": {"contrast": 3.0}}, cause="a test"))
    await settled()
    assert not change.done()
    child.ready.release()
    await soon(borrowing, change)
    assert camera.settings is not None
    assert camera.settings.image.contrast == 3.0
    assert camera.settings.exposure.mode == "auto"
    assert child.takes[-1].settings is not None
    assert child.takes[-1].settings.image.contrast == 2.0


async def test_no_frames_are_due_while_the_camera_stops_for_a_picture(gallery: Gallery) -> None:
    task = asyncio.create_task(gallery.camera.still(StillRequest(full=True)))
    await settled()
    gallery.child.beat(frames=30, last_frame_age_s=4.0)
    assert gallery.restarts() == []
    gallery.child.ready.release()
    await soon(task)
    gallery.child.beat(frames=30, last_frame_age_s=4.0)
    assert len(gallery.restarts()) == 1


async def test_slow_frames_for_a_long_exposure_are_no_stall(gallery: Gallery) -> None:
    task = asyncio.create_task(
        gallery.camera.still(StillRequest(settings={"exposure": {"time_us": 900_000}}))
    )
    await settled()
    gallery.child.beat(frames=30, last_frame_age_s=4.0)
    assert gallery.restarts() == []
    gallery.child.beat(frames=30, last_frame_age_s=6.0)
    assert len(gallery.restarts()) == 1
    gallery.child.ready.release()
    await soon(task)


async def test_a_camera_that_dies_meanwhile_starts_with_the_settings_that_last(gallery: Gallery) -> None:
    camera, child = gallery.camera, gallery.child
    lasting = camera.settings
    child.fails = ProcessError("the camera child died")
    child.ready.release()
    with pytest.raises(ProcessError, match="died"):
        await camera.still(StillRequest(settings=SHORT))
    assert camera.settings == camera.status().settings == lasting
    child.callbacks["on_down"]("died")
    with pytest.raises(CameraUnavailableError, match="restarting: died"):
        await camera.still(StillRequest())
    await child.callbacks["on_up"]()
    assert camera.settings == lasting
    child.fails = None
    child.ready.release()
    assert await camera.still(StillRequest())


@pytest.mark.parametrize(
    ("error", "restarted"),
    [
        (CameraError("not put back", code=NOT_PUT_BACK), True),
        (ProcessError("the camera child did not answer", code="timeout"), True),
        (CameraError("the sensor does not answer"), False),
    ],
)
async def test_where_nobody_knows_what_holds_the_camera_is_started_anew(
    gallery: Gallery, error: Exception, restarted: bool
) -> None:
    gallery.child.fails = error
    gallery.child.ready.release()
    with pytest.raises(type(error)):
        await gallery.camera.still(StillRequest(settings=SHORT))
    assert bool(gallery.restarts()) == restarted
    assert gallery.camera.status().for_picture is None


async def test_who_is_cancelled_gives_the_picture_up_before_anything_else_happens(gallery: Gallery) -> None:
    task = asyncio.create_task(gallery.camera.still(StillRequest(settings=SHORT)))
    await settled()
    change = asyncio.create_task(gallery.camera.change({"image": {"contrast": 2.0}}, cause="a test"))
    await settled()
    task.cancel()
    await soon(task, change)
    assert gallery.child.asked[-3:] == ["still", "drop", "apply"]


async def test_the_pictures_of_a_burst_come_as_they_are_ready(gallery: Gallery) -> None:
    seen: list[int] = []
    async with aclosing(gallery.camera.burst(StillRequest(count=3))) as pictures:
        for _ in range(3):
            gallery.child.ready.release()
            info, _ = await anext(pictures)
            seen.append(info.reading.sequence)
        with pytest.raises(StopAsyncIteration):
            await anext(pictures)
    assert seen == sorted(seen)
    assert gallery.child.asked[-3:] == ["still", "next", "next"]


async def test_a_burst_that_is_not_read_to_its_end_is_given_up(gallery: Gallery) -> None:
    gallery.child.ready.release()
    async with aclosing(gallery.camera.burst(StillRequest(count=30))) as pictures:
        await anext(pictures)
    assert gallery.child.asked[-1] == "drop"
    gallery.child.ready.release()
    assert await gallery.camera.still(StillRequest())


async def test_a_burst_that_fails_gives_what_there_was_before(gallery: Gallery) -> None:
    gallery.child.ready.release()
    pictures = gallery.camera.burst(StillRequest(count=3))
    assert await anext(pictures)
    gallery.child.fails = CameraError("the sensor does not answer")
    gallery.child.ready.release()
    with pytest.raises(CameraError, match="does not answer"):
        await anext(pictures)


async def test_who_keeps_a_burst_waiting_loses_the_rest_and_the_camera_is_free(gallery: Gallery) -> None:
    for _ in range(30):
        gallery.child.ready.release()
    async with aclosing(gallery.camera.burst(StillRequest(count=30, settings=SHORT))) as pictures:
        await anext(pictures)
        await settled()
        gallery.clock.advance(31)
        await settled()
        assert gallery.child.asked[-1] == "drop"
        assert gallery.camera.status().for_picture is None
        await gallery.camera.change({"image": {"contrast": 2.0}}, cause="a test")
        with pytest.raises(CameraError, match=r"nobody took the burst's pictures for 30 s"):
            async for _ in pictures:
                pass


async def test_an_overlay_of_its_own_has_its_values_before_the_picture_is_taken(gallery: Gallery) -> None:
    overlay = {"overlay": {"enabled": True, "text": "{profile.active}"}}
    task = asyncio.create_task(gallery.camera.still(StillRequest(settings=overlay)))
    await settled()
    assert gallery.child.notices == [("overlay", {"values": {"profile.active": None}})]
    gallery.child.ready.release()
    await soon(task)
    with pytest.raises(RefusedError, match=r"status has no field 'nobody\.knows'"):
        await gallery.camera.still(StillRequest(settings={"overlay": {"text": "{nobody.knows}"}}))
