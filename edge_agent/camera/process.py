"""The camera child: `python -m edge_agent.camera.process FD`.

Three threads: the frame loop (the main one), the control thread that answers the agent, and the one that
beats. The packet server has a fourth. The control thread carries out what is live by itself, so that a
setting never waits for a frame; what stops the camera goes through the frame loop. Whatever goes wrong with
the camera ends the process: the agent starts a new one, which is the only clean way out of a broken driver.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from pydantic import BaseModel

from edge_agent.camera.drivers.base import Driver
from edge_agent.camera.drivers.registry import open_driver
from edge_agent.camera.frame_loop import FrameLoop
from edge_agent.camera.limits import starting_settings
from edge_agent.camera.messages import (
    Applied,
    Apply,
    Dropped,
    Encoding,
    Focus,
    Keyframe,
    Open,
    Opened,
    OverlayFields,
    StreamName,
    SubOptions,
)
from edge_agent.camera.overlay.glyphs import missing
from edge_agent.camera.overlay.painter import Painter
from edge_agent.camera.scan import Scan
from edge_agent.camera.software import SoftwareSettings
from edge_agent.camera.stills import Stills
from edge_agent.camera.substream import Substream
from edge_agent.clock import SystemClock
from edge_agent.errors import CameraError, EdgeAgentError
from edge_agent.processes.channel import ChildChannel, Message
from edge_agent.processes.errors import error_body
from edge_agent.pulse import until_pulse_s
from edge_agent.stream.packet_server import PacketServer

__all__ = ["CameraProcess", "main"]

logger = logging.getLogger(__name__)

_BEAT_EVERY_S: Final = 1.0
_CONFIGURE_TIMEOUT_S: Final = 20.0
_EXIT_CAMERA_FAILED: Final = 3


class CameraProcess:
    """One camera, opened by the agent's first message and driven until its last."""

    def __init__(self, *, channel: ChildChannel) -> None:
        self._channel = channel
        self._stopped = threading.Event()
        self._driver: Driver | None = None
        self._loop: FrameLoop | None = None
        self._painter: Painter | None = None
        self._servers: list[PacketServer] = []
        self._stills: Stills | None = None

    def run(self) -> int:
        """Live; returns the exit code."""
        first = self._channel.receive()
        if first is None:
            return 0
        if first.kind != "open" or first.id is None:
            logger.error("The camera was sent '%s' before 'open'", first.kind)
            return 2
        try:
            request = Open.model_validate(first.body)
            driver, capabilities, because = open_driver(
                request.driver, options=request.options, clock=SystemClock()
            )
            self._driver = driver
            self._painter = Painter(
                names=request.overlay.names,
                timezone=request.overlay.timezone,
                font=request.overlay.font,
                clock=SystemClock(),
            )
            software = SoftwareSettings(capabilities, no_overlay=missing())
            settings, left_out = starting_settings(request.wanted, software.capabilities)
            loop_holder: list[FrameLoop] = []
            server = self._server(request.listener_fd, "main", loop_holder)
            loop = FrameLoop(
                driver=driver,
                server=server,
                settings=settings,
                software=software,
                painter=self._painter,
                encode=request.encode,
                adaptive=request.adaptive,
                sub=self._substream(request.sub, loop_holder),
            )
            loop_holder.append(loop)
            self._loop = loop
            self._stills = Stills(
                driver=driver,
                loop=loop,
                painter=self._painter,
                capabilities=capabilities,
                clock=SystemClock(),
                answer=self._answer,
                fail=self._fail,
            )
            loop.start()
            opened = Opened(
                driver=driver.name,
                because=because,
                capabilities=software.capabilities,
                settings=loop.applied(),
                left_out=left_out,
            )
            self._channel.send(Message("result", opened.model_dump(mode="json"), id=first.id))
            threading.Thread(target=self._control, name="control", daemon=True).start()
            threading.Thread(target=self._beat, name="beat", daemon=True).start()
            loop.run(self._stopped)
        except EdgeAgentError as error:
            logger.error("The camera failed: %s", error.message)  # noqa: TRY400 - the message says it
            self._channel.send(
                Message("error", error_body(error), id=first.id if self._loop is None else None)
            )
            return _EXIT_CAMERA_FAILED
        finally:
            self._stopped.set()
            if self._driver is not None:
                self._driver.close()
            for server in self._servers:
                server.close()
            if self._stills is not None:
                self._stills.close()
        return 0

    def _server(self, listener_fd: int, stream: StreamName, loop: list[FrameLoop]) -> PacketServer:
        """Serve packets; the loop that is asked for keyframes may be yet to come."""
        server = PacketServer(
            listener=socket.socket(fileno=listener_fd),
            request_keyframe=lambda: loop[0].request_keyframe(stream) if loop else None,
        )
        self._servers.append(server)
        return server

    def _substream(self, options: SubOptions | None, loop: list[FrameLoop]) -> Substream | None:
        if options is None:
            return None
        return Substream(server=self._server(options.listener_fd, "sub", loop), options=options)

    @property
    def _running(self) -> tuple[Driver, FrameLoop]:
        if self._driver is None or self._loop is None:
            raise CameraError("the camera is not open")
        return self._driver, self._loop

    def _control(self) -> None:
        while True:
            message = self._channel.receive()
            if message is None or message.kind == "stop":
                self._stopped.set()
                if message is None:
                    # Nobody is there any more to stop a camera that hangs.
                    threading.Timer(2.0, os._exit, args=(1,)).start()
                return
            self._handle(message)

    def _handle(self, message: Message) -> None:
        handlers: dict[str, Callable[[Message], BaseModel | None]] = {
            "apply": self._apply,
            "still": self._still,
            "next": self._next,
            "drop": self._drop,
            "focus": self._focus,
            "encode": self._encode,
            "keyframe": self._keyframe,
            "overlay": self._overlay,
        }
        try:
            handler = handlers.get(message.kind)
            if handler is None:
                raise CameraError(f"the camera does not know '{message.kind}'")  # noqa: TRY301 - one way out
            result = handler(message)
        except Exception as error:  # noqa: BLE001 - every request is answered
            self._fail(message, error)
        else:
            if result is not None:
                self._answer(message, result)

    def _answer(self, message: Message, body: BaseModel, attachment: bytes = b"") -> None:
        if message.id is not None:
            self._channel.send(
                Message("result", body.model_dump(mode="json"), id=message.id, attachment=attachment)
            )

    def _fail(self, message: Message, error: BaseException) -> None:
        if not isinstance(error, EdgeAgentError):
            logger.error("'%s' failed in a way that nobody expected", message.kind, exc_info=error)
            error = CameraError(f"'{message.kind}' failed: {type(error).__name__}: {error}")
        if message.id is not None:
            self._channel.send(Message("error", error_body(error), id=message.id))

    def _apply(self, message: Message) -> Applied:
        _, loop = self._running
        request = Apply.model_validate(message.body)
        if request.interrupts:
            loop.submit(lambda: loop.reconfigure(request.settings)).result(_CONFIGURE_TIMEOUT_S)
        else:
            loop.apply(request.settings)
        return Applied(settings=loop.applied())

    def _encode(self, message: Message) -> Encoding:
        _, loop = self._running
        request = Encoding.model_validate(message.body)
        switch = partial(loop.set_encoding, enabled=request.enabled, stream=request.stream)
        loop.submit(switch).result(_CONFIGURE_TIMEOUT_S)
        return request

    def _keyframe(self, message: Message) -> Keyframe:
        _, loop = self._running
        request = Keyframe.model_validate(message.body)
        loop.request_keyframe(request.stream)
        return request

    def _overlay(self, message: Message) -> None:
        if self._painter is not None:
            self._painter.show(OverlayFields.model_validate(message.body).values)

    @property
    def _pictures(self) -> Stills:
        if self._stills is None:
            raise CameraError("the camera is not open")
        return self._stills

    def _still(self, message: Message) -> None:
        self._pictures.still(message)

    def _next(self, message: Message) -> None:
        self._pictures.next(message)

    def _drop(self, _message: Message) -> Dropped:
        self._pictures.drop()
        return Dropped()

    def _focus(self, message: Message) -> None:
        driver, loop = self._running
        request = Focus.model_validate(message.body)
        scan = Scan(
            loop=loop, timeout_s=request.timeout_s, done=lambda outcome: self._answer(message, outcome)
        )
        driver.trigger_focus()
        scan.start()

    def _beat(self) -> None:
        _, loop = self._running
        while not self._stopped.wait(until_pulse_s(time.monotonic(), _BEAT_EVERY_S)):
            try:
                self._channel.send(Message("beat", loop.beat().model_dump(mode="json")))
            except EdgeAgentError as error:
                logger.warning("%s", error.message)


def main() -> int:
    """Run the camera child on the descriptor that the agent passed."""
    # The agent reads the level back from each line.
    logging.basicConfig(
        level=os.environ.get("CHILD_LOG_LEVEL", "INFO"), format="%(levelname)s %(name)s: %(message)s"
    )
    # The control thread answers while the frame loop computes: let go of the interpreter sooner.
    sys.setswitchinterval(0.0005)
    return CameraProcess(channel=ChildChannel.from_descriptor(int(sys.argv[1]))).run()


if __name__ == "__main__":
    sys.exit(main())
