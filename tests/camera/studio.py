"""The camera child's part that takes pictures, on a small simulated camera in real time, for its tests."""

from __future__ import annotations

import io
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import Image
from pydantic import BaseModel

from edge_agent.camera.drivers.base import Sample
from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.camera.frame_loop import FrameLoop
from edge_agent.camera.limits import resolve, starting_settings
from edge_agent.camera.messages import StillInfo, StillRequest, Take
from edge_agent.camera.overlay.painter import Painter
from edge_agent.camera.settings import CameraSettings
from edge_agent.camera.software import SoftwareSettings
from edge_agent.camera.stills import Stills
from edge_agent.clock import SystemClock
from edge_agent.processes.channel import Message
from edge_agent.stream.packet_server import PacketServer

__all__ = ["FPS", "Studio", "exif_of", "studio"]

FPS = 60.0
WITHIN_S = 20.0


class Studio:
    """Asks for pictures as the control thread does, and collects what is answered."""

    def __init__(self, driver: SimulatedDriver, patch: Mapping[str, Any]) -> None:
        self.driver = driver
        software = SoftwareSettings(driver.open())
        self.capabilities = software.capabilities
        video = {"video": {"width": 320, "height": 180, "fps": FPS}}
        self.start = resolve(
            patch, current=starting_settings(video, self.capabilities)[0], capabilities=self.capabilities
        ).settings
        listener, self._other = socket.socketpair()
        self.server = PacketServer(listener=listener, request_keyframe=lambda: None)
        painter = Painter(names={"name": "Porch"}, clock=SystemClock())
        self.loop = FrameLoop(
            driver=driver,
            server=self.server,
            settings=self.start,
            software=software,
            painter=painter,
            encode=False,
        )
        self.answers: queue.Queue[tuple[StillInfo, bytes] | BaseException] = queue.Queue()
        self.at_answer: list[CameraSettings] = []
        self.samples: list[Sample] = []
        self._ids = iter(range(1, 10_000))
        self.stills = Stills(
            driver=driver,
            loop=self.loop,
            painter=painter,
            capabilities=self.capabilities,
            clock=SystemClock(),
            answer=self._answer,
            fail=lambda _message, error: self.answers.put(error),
        )

    def _answer(self, _message: Message, body: BaseModel, content: bytes) -> None:
        assert isinstance(body, StillInfo)
        self.at_answer.append(self.loop.applied())
        self.answers.put((body, content))

    def take(self, **changes: Any) -> Take:
        """What the agent would send: `settings` is a patch."""
        named = {name: changes.pop(name) for name in ("size", "larger", "timeout_s") if name in changes}
        patch = changes.pop("settings", None)
        resolution = resolve(patch or {}, current=self.loop.applied(), capabilities=self.capabilities)
        return Take(
            request=StillRequest(**changes),
            settings=resolution.settings if patch else None,
            interrupts=resolution.interrupts,
            **named,
        )

    def ask(self, **changes: Any) -> None:
        """Ask for a picture, or the first of a burst."""
        body = self.take(**changes).model_dump(mode="json")
        self.stills.still(Message("still", body, id=next(self._ids)))

    def ask_next(self) -> None:
        """Ask for one more."""
        self.stills.next(Message("next", {}, id=next(self._ids)))

    def answer(self) -> tuple[StillInfo, bytes]:
        """The next answer, which must be a picture."""
        answer = self.answers.get(timeout=WITHIN_S)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def error(self) -> BaseException:
        """The next answer, which must be an error."""
        answer = self.answers.get(timeout=WITHIN_S)
        assert isinstance(answer, BaseException)
        return answer

    def picture(self, **changes: Any) -> tuple[StillInfo, bytes]:
        """One picture."""
        self.ask(**changes)
        return self.answer()

    def wait_for(self, seen: Callable[[Sample], bool]) -> None:
        """Wait for a sample."""
        came = threading.Event()
        unwatch = self.loop.watch(lambda sample: came.set() if seen(sample) else None)
        assert came.wait(WITHIN_S)
        unwatch()

    def frames(self, count: int) -> None:
        """Wait for so many frames more."""
        left = iter(range(count))
        self.wait_for(lambda _: next(left, None) is None)


@contextmanager
def studio(
    patch: Mapping[str, Any] | None = None, *, driver: SimulatedDriver | None = None
) -> Iterator[Studio]:
    """A studio at work."""
    made = driver or SimulatedDriver(clock=SystemClock(), options=SimulatedOptions(lux=500, moving=False))
    at_work = Studio(made, patch or {})
    stopped = threading.Event()
    at_work.loop.start()
    at_work.loop.watch(at_work.samples.append)
    thread = threading.Thread(target=at_work.loop.run, args=(stopped,))
    thread.start()
    try:
        at_work.frames(3)
        yield at_work
    finally:
        stopped.set()
        thread.join(WITHIN_S)
        at_work.stills.close()
        at_work.server.close()
        at_work._other.close()
        made.close()
    assert not thread.is_alive()


def exif_of(content: bytes) -> dict[int, Any]:
    """What a picture tells of its exposure."""
    return dict(Image.open(io.BytesIO(content)).getexif().get_ifd(0x8769))
