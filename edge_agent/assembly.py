"""The camera and its streams put together: the larger parts of the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from edge_agent.camera.memory import SettingsMemory
from edge_agent.camera.messages import AdaptiveOptions, OverlayNames, SubOptions
from edge_agent.camera.overlay_feed import OverlayFeed
from edge_agent.camera.service import CameraService
from edge_agent.clock import Clock
from edge_agent.config import Configuration
from edge_agent.contract.events import Events
from edge_agent.contract.status import StatusBoard
from edge_agent.health.problems import Problems
from edge_agent.storage import Remembered
from edge_agent.stream.listener import PacketListener
from edge_agent.stream.server_watch import ServerWatch
from edge_agent.stream.service import StreamService
from edge_agent.stream.substream import SubCamera, SubEvents, SubProblems, Substream, sub_url
from edge_agent.stream.viewing import Viewing

__all__ = ["Assembly"]


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """What the camera and its streams are made with."""

    configuration: Configuration
    clock: Clock
    random: Random
    events: Events
    problems: Problems
    board: StatusBoard
    new_child: Any

    def camera(
        self,
        listener: PacketListener,
        sub_listener: PacketListener | None,
        *,
        capabilities_changed: Callable[[], None],
    ) -> CameraService:
        """Return the camera, which serves its packets on the listeners."""
        configuration = self.configuration
        stream = configuration.stream
        return CameraService(
            driver=configuration.camera.driver,
            options=configuration.camera.driver_options(),
            memory=SettingsMemory(
                path=configuration.state_dir / "settings.json", configured=stream.settings()
            ),
            overlay=OverlayFeed(
                names=OverlayNames(
                    names={"name": configuration.node.name, "node": configuration.node.id},
                    timezone=configuration.timezone,
                    font=configuration.camera.overlay_font,
                ),
                board=self.board,
                clock=self.clock,
            ),
            adaptive=AdaptiveOptions(enabled=stream.adaptive, floor_bps=stream.adaptive_floor_bps),
            sub=self._sub_options(sub_listener),
            listener_fd=listener.fd,
            new_child=self.new_child,
            clock=self.clock,
            events=self.events,
            problems=self.problems,
            status_changed=self.board.changed,
            capabilities_changed=capabilities_changed,
        )

    def stream(
        self, listener: PacketListener, camera: CameraService, *, capabilities_changed: Callable[[], None]
    ) -> StreamService:
        """Return the stream."""
        return self._service(
            url=self.configuration.stream_url,
            listener=listener,
            memory="stream.json",
            camera=camera,
            events=self.events,
            problems=self.problems,
            capabilities_changed=capabilities_changed,
        )

    def substream(self, listener: PacketListener | None, camera: CameraService) -> Substream | None:
        """Return the substream; None where there is none. Raises ConfigError where its URL is not known."""
        if listener is None:
            return None
        sub_camera = SubCamera(camera)
        service = self._service(
            url=self.configuration.stream.sub.url or sub_url(self.configuration.stream_url),
            listener=listener,
            # Started and stopped with the main stream, so that it remembers the same.
            memory="substream.json",
            camera=sub_camera,
            events=SubEvents(self.events),
            problems=SubProblems(self.problems),
            capabilities_changed=lambda: None,
        )
        return Substream(service=service, camera=sub_camera, problems=self.problems)

    def _service(self, *, url: str, listener: PacketListener, memory: str, **own: Any) -> StreamService:
        stream = self.configuration.stream
        return StreamService(
            url=url,
            transport=stream.transport,
            tls_ca=stream.tls.ca,
            tls_verify=stream.tls.verify,
            packet_socket=listener.path,
            memory=Remembered(
                path=self.configuration.state_dir / memory,
                configured={"enabled": stream.enabled, "mode": stream.mode},
            ),
            grace_s=stream.grace_s,
            watch=ServerWatch.of(url, stream.server, clock=self.clock, random=self.random),
            viewing=Viewing.of(url, stream.server),
            new_child=self.new_child,
            clock=self.clock,
            random=self.random,
            status_changed=self.board.changed,
            **own,
        )

    def _sub_options(self, listener: PacketListener | None) -> SubOptions | None:
        if listener is None:
            return None
        sub = self.configuration.stream.sub
        return SubOptions(
            listener_fd=listener.fd,
            width=sub.width,
            height=sub.height,
            fps=sub.fps,
            bitrate_bps=None if sub.bitrate_bps == "auto" else sub.bitrate_bps,
            encode=False,
        )
