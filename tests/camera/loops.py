"""A frame loop at work on a thread of its own, and a consumer of its packets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge_agent.camera.drivers.base import Driver
from edge_agent.camera.frame_loop import FrameLoop
from edge_agent.camera.limits import resolve, starting_settings
from edge_agent.camera.messages import AdaptiveOptions, StreamName, SubOptions
from edge_agent.camera.overlay.painter import Painter
from edge_agent.camera.settings import CameraSettings
from edge_agent.camera.software import SoftwareSettings
from edge_agent.camera.substream import Substream
from edge_agent.clock import SystemClock
from edge_agent.stream.loan import GoOn
from edge_agent.stream.packet_server import PacketServer
from edge_agent.stream.packet_source import PacketSource
from edge_agent.stream.packets import PacketMessage, StreamFormat
from tests.rtsp_servers import wait_until

SMALL = {"video": {"width": 320, "height": 180, "fps": 30.0}}


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


class Consumer:
    """Reads packets until a condition holds."""

    def __init__(self, path: Path) -> None:
        self._source = PacketSource(path=str(path))
        wait_until(self._source.connect, what="the packet server")
        self._source.say(GoOn())
        self.formats: list[StreamFormat] = []
        self.packets: list[PacketMessage] = []

    def take(self, count: int = 1, *, keyframe: bool = False) -> PacketMessage:
        """Return the last of so many packets that are yet to come, of keyframes where asked for."""
        taken: list[PacketMessage] = []

        def enough() -> bool:
            message = self._source.read()
            if isinstance(message, StreamFormat):
                self.formats.append(message)
            elif isinstance(message, PacketMessage):
                self.packets.append(message)
                if message.keyframe or not keyframe:
                    taken.append(message)
            return len(taken) >= count

        wait_until(enough, what=f"{count} packets")
        return taken[-1]

    def close(self) -> None:
        self._source.close()


class Loop:
    """A camera's process without the process."""

    def __init__(
        self,
        driver: Driver,
        folder: Path,
        wanted: Mapping[str, Any] | None = None,
        *,
        adaptive: AdaptiveOptions | None = None,
        max_packets: int = 90,
        sub: Mapping[str, Any] | None = None,
    ) -> None:
        self.driver = driver
        self.path = folder / "packets"
        self.sub_path = folder / "sub_packets"
        software = SoftwareSettings(driver.open())
        self.capabilities = software.capabilities
        settings, self.left_out = starting_settings(
            SMALL if wanted is None else wanted, software.capabilities
        )
        self.server = PacketServer(
            listener=_listener(self.path),
            request_keyframe=partial(self._request_keyframe, "main"),
            max_packets=max_packets,
        )
        self.sub: Substream | None = None
        self.sub_server: PacketServer | None = None
        if sub is not None:
            self.sub_server = PacketServer(
                listener=_listener(self.sub_path), request_keyframe=partial(self._request_keyframe, "sub")
            )
            self.sub = Substream(server=self.sub_server, options=SubOptions(listener_fd=-1, **sub))
        self.loop = FrameLoop(
            driver=driver,
            server=self.server,
            settings=settings,
            software=software,
            painter=Painter(names={"name": "Front porch", "node": "porch"}, clock=SystemClock()),
            encode=True,
            adaptive=adaptive,
            sub=self.sub,
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self.loop.run, args=(self._stopped,))

    def _request_keyframe(self, stream: StreamName) -> None:
        self.loop.request_keyframe(stream)

    def consumer(self, stream: StreamName = "main") -> Consumer:
        return Consumer(self.path if stream == "main" else self.sub_path)

    def apply(self, patch: Mapping[str, Any]) -> CameraSettings:
        """Go the way of a change that interrupts nothing; returns what was read back."""
        resolution = resolve(patch, current=self.loop.applied(), capabilities=self.capabilities)
        assert not resolution.interrupts
        self.loop.apply(resolution.settings)
        return self.loop.applied()

    def __enter__(self) -> Self:
        self.loop.start()
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(10)
        self.server.close()
        if self.sub_server is not None:
            self.sub_server.close()
        self.driver.close()
