"""Pictures in the camera child: taken between two frames of the stream, and given to the agent one by one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from pydantic import BaseModel

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.developing import Darkroom
from edge_agent.camera.drivers.base import Driver
from edge_agent.camera.frame_loop import FrameLoop
from edge_agent.camera.messages import NOT_PUT_BACK, StillInfo, Take
from edge_agent.camera.overlay.painter import Painter
from edge_agent.camera.shoot import Shoot
from edge_agent.clock import Clock
from edge_agent.errors import CameraError
from edge_agent.processes.channel import Message

__all__ = ["Roll", "Stills"]

# Finished pictures that wait for the agent to ask for them.
_MOST_READY: Final = 4
_ASKED_FOR_WITHIN_S: Final = 60.0
_OVER_WITHIN_S: Final = 6.0

_Answer = Callable[[Message, BaseModel, bytes], None]
_Fail = Callable[[Message, BaseException], None]


class Roll:
    """The pictures of one request, on their way from the thread that finishes them to who asks for them."""

    def __init__(self, *, answer: _Answer, fail: _Fail) -> None:
        self._answer = answer
        self._fail = fail
        self._changed = threading.Condition()
        self._ready: deque[tuple[StillInfo, bytes]] = deque()
        self._asking: deque[Message] = deque()
        self._error: BaseException | None = None

    def ask(self, message: Message) -> None:
        """Answer with the next picture, now or when it is there."""
        with self._changed:
            if self._ready:
                info, content = self._ready.popleft()
                self._changed.notify_all()
            elif self._error is None:
                self._asking.append(message)
                return
            else:
                info = None
        if info is None:
            self._fail(message, self._error or CameraError("there is no picture"))
        else:
            self._answer(message, info, content)

    def put(self, info: StillInfo, content: bytes) -> None:
        """Give the next picture; waits while too many wait already. Given up, it is thrown away."""
        with self._changed:
            if self._error is not None:
                return
            if not self._asking:
                self._ready.append((info, content))
                if not self._changed.wait_for(self._drained, _ASKED_FOR_WITHIN_S):
                    self._ready.clear()
                    self._error = CameraError("nobody asked for the pictures of the burst any more")
                return
            message = self._asking.popleft()
        self._answer(message, info, content)

    def end(self, error: BaseException) -> None:
        """Give up: what is asked for from now on fails with `error`. What is ready can still be had."""
        with self._changed:
            if self._error is None:
                self._error = error
            asking, self._asking = self._asking, deque()
            self._changed.notify_all()
        for message in asking:
            self._fail(message, error)

    def _drained(self) -> bool:
        return len(self._ready) < _MOST_READY or self._error is not None


class Stills:
    """Carries out `still`, `next` and `drop`; called on the control thread. One request at a time."""

    def __init__(
        self,
        *,
        driver: Driver,
        loop: FrameLoop,
        painter: Painter,
        capabilities: CameraCapabilities,
        clock: Clock,
        answer: _Answer,
        fail: _Fail,
    ) -> None:
        self._driver = driver
        self._loop = loop
        self._painter = painter
        self._model = capabilities.model
        self._clock = clock
        self._answer = answer
        self._fail = fail
        self._darkroom = Darkroom()
        self._shoot: Shoot | None = None
        self._roll: Roll | None = None

    def still(self, message: Message) -> None:
        """Begin to take the pictures of a request, and answer with the first."""
        self.drop()
        take = Take.model_validate(message.body)
        roll = Roll(answer=self._answer, fail=self._fail)
        roll.ask(message)
        shoot = Shoot(
            take=take,
            driver=self._driver,
            loop=self._loop,
            darkroom=self._darkroom,
            painter=self._painter,
            model=self._model,
            clock=self._clock,
            give=roll.put,
            failed=roll.end,
        )
        self._roll, self._shoot = roll, shoot
        shoot.start()

    def next(self, message: Message) -> None:
        """Answer with one more picture of the present burst."""
        if self._roll is None:
            raise CameraError("no burst is under way")
        self._roll.ask(message)

    def drop(self) -> None:
        """Give up what is left of the present request; the settings are as before then."""
        roll, self._roll = self._roll, None
        shoot, self._shoot = self._shoot, None
        if roll is not None and shoot is not None:
            error = CameraError("the pictures were given up", code="cancelled")
            roll.end(error)
            shoot.give_up(error)
            # What comes next must not be undone by what is put back late.
            if not shoot.wait(_OVER_WITHIN_S):
                raise CameraError("the camera does not let go of the last pictures", code=NOT_PUT_BACK)

    def close(self) -> None:
        """Let go; what is under way ends with the process."""
        self._darkroom.close()
