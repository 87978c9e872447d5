"""Pictures as the agent asks for them: one request at a time, and everything as it was before afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol

from edge_agent.camera.messages import NOT_PUT_BACK, StillInfo, StillRequest, Take
from edge_agent.camera.picture_plan import Plan
from edge_agent.clock import Clock
from edge_agent.errors import CameraError, EdgeAgentError, ProcessError
from edge_agent.processes.channel import Message
from edge_agent.processes.waiting import done_within

__all__ = ["Pictures"]

logger = logging.getLogger(__name__)

_Picture = tuple[StillInfo, bytes]

_MOST_WAITING: Final = 16
# Finished pictures of a burst that wait for whoever wants them; four more wait in the camera's process.
_MOST_READY: Final = 2
_TAKEN_WITHIN_S: Final = 30.0
# The camera's process gives up by itself, a little before it is given up.
_LATER_S: Final = 5.0
_DROP_S: Final = 8.0


class Camera(Protocol):
    """What `Pictures` needs of the camera."""

    def plan(self, request: StillRequest) -> Plan:
        """Return what a request comes to now. Raises RefusedError, CameraError."""
        ...

    def borrow(self, plan: Plan) -> AbstractContextManager[None]:
        """Tell meanwhile what holds for the picture."""
        ...

    async def ask(self, kind: str, body: dict[str, Any], timeout_s: float) -> Message:
        """Ask the camera's process. Raises CameraError, ProcessError."""
        ...

    def restart_soon(self, reason: str) -> None:
        """Have the camera's process started anew, with the settings that are to hold."""
        ...


class Pictures:
    """Takes pictures, one request after the other.

    What borrows settings or stops the camera holds `changing` until the camera is as it was before. It does
    so for a bounded time, also where nobody takes the pictures of a burst.
    """

    def __init__(self, *, camera: Camera, changing: asyncio.Lock, clock: Clock) -> None:
        self._camera = camera
        self._changing = changing
        self._clock = clock
        self._one = asyncio.Lock()
        self._waiting = 0

    async def still(self, request: StillRequest) -> _Picture:
        """Take one picture."""
        async with self._turn(request.model_copy(update={"count": 1})) as take:
            return await self._ask("still", take)

    async def burst(self, request: StillRequest) -> AsyncGenerator[_Picture, None]:
        """Take as many as are asked for, and give each as soon as it is there."""
        ready: asyncio.Queue[_Picture] = asyncio.Queue(_MOST_READY)
        taking = asyncio.create_task(self._burst(request, ready), name="burst")
        try:
            for _ in range(request.count):
                getting = asyncio.ensure_future(ready.get())
                try:
                    await asyncio.wait({getting, taking}, return_when=asyncio.FIRST_COMPLETED)
                    if not getting.done():
                        await taking
                        raise CameraError("the burst ended before its last picture")
                    yield getting.result()
                finally:
                    getting.cancel()
            await taking
        finally:
            taking.cancel()
            await asyncio.wait({taking})
            if not taking.cancelled():
                taking.exception()  # told above, where somebody still read

    async def _burst(self, request: StillRequest, ready: asyncio.Queue[_Picture]) -> None:
        async with self._turn(request) as take:
            for number in range(request.count):
                picture = await self._ask("next" if number else "still", take)
                putting = asyncio.ensure_future(ready.put(picture))
                try:
                    if not await done_within(self._clock, putting, _TAKEN_WITHIN_S):
                        raise CameraError(
                            f"nobody took the burst's pictures for {_TAKEN_WITHIN_S:g} s", code="cancelled"
                        )
                finally:
                    putting.cancel()

    async def _ask(self, kind: str, take: Take) -> _Picture:
        body = take.model_dump(mode="json") if kind == "still" else {}
        answer = await self._camera.ask(kind, body, take.timeout_s + _LATER_S)
        return StillInfo.model_validate(answer.body), answer.attachment

    @asynccontextmanager
    async def _turn(self, request: StillRequest) -> AsyncIterator[Take]:
        """Wait for the camera, have it as long as this lasts, and leave it as it was."""
        self._camera.plan(request)  # what cannot be is refused at once
        if self._waiting >= _MOST_WAITING:
            raise CameraError(f"{_MOST_WAITING} requests for pictures wait already", code="busy")
        self._waiting += 1
        try:
            async with AsyncExitStack() as held:
                await held.enter_async_context(self._one)
                planned = self._camera.plan(request)
                if planned.alone:
                    await held.enter_async_context(self._changing)
                    planned = self._camera.plan(request)  # what was changed meanwhile counts
                held.enter_context(self._camera.borrow(planned))
                try:
                    yield planned.take
                except BaseException as error:
                    await self._clear_up(planned, error)
                    raise
        finally:
            self._waiting -= 1

    async def _clear_up(self, planned: Plan, error: BaseException) -> None:
        """See to it that nothing borrowed is kept, where pictures failed or nobody wants them any more."""
        code = error.code if isinstance(error, EdgeAgentError) else None
        if code == NOT_PUT_BACK or (planned.alone and isinstance(error, ProcessError) and code == "timeout"):
            self._camera.restart_soon(f"what a picture borrowed was not put back: {error}")
        elif not isinstance(error, EdgeAgentError) or code == "cancelled":
            try:
                await self._camera.ask("drop", {}, _DROP_S)
            except EdgeAgentError as failed:
                # Its process is gone, and what was borrowed with it; or it hangs, which ends it.
                logger.info("The rest of the pictures could not be given up: %s", failed.message)
