"""Home Assistant as a feature: one device document, published when it should be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Final, Self

from edge_agent.feature import Feature, Host
from edge_agent.home_assistant.component import Naming
from edge_agent.home_assistant.config import HomeAssistantConfig
from edge_agent.home_assistant.discovery import Discovery
from edge_agent.home_assistant.document import device_document
from edge_agent.home_assistant.identity import Identity, identity_of
from edge_agent.mqtt.message import Incoming, Outgoing

__all__ = ["HomeAssistantFeature"]

logger = logging.getLogger(__name__)

# Many nodes answer one birth: each takes its time, so that the broker and Home Assistant have theirs.
_BIRTH_SPREAD_S: Final = 5.0
# A camera that was never opened is waited for, so that its entities don't go at every start.
_CAMERA_PATIENCE_S: Final = 30.0


class HomeAssistantFeature(Feature):
    """Publishes discovery at every birth, the agent's and Home Assistant's, and when something changes."""

    name = "home_assistant"
    section = HomeAssistantConfig

    def __init__(self, *, host: Host, config: HomeAssistantConfig) -> None:
        super().__init__(host=host, config=config)
        self._identity: Identity | None = None
        self._discovery: Discovery | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._answering: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        host = self.host
        self._identity = await asyncio.to_thread(identity_of, host.topics.node)
        self._discovery = Discovery(
            # By the node's id, so that an access list can hold each node to its own.
            topic=f"{self.config.prefix}/device/{host.topics.node}/config",
            path=host.configuration.state_dir / "home_assistant.json",
            clock=host.clock,
            publish=host.publish,
            online=host.online,
        )
        await self._discovery.load()
        if not self.config.enabled:
            self._discovery.want(None)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._discovery.run(), name="home assistant discovery"))
        self._tasks.append(loop.create_task(self._do_without_camera(), name="home assistant patience"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (*self._tasks, *([self._answering] if self._answering else [])):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def subscriptions(self) -> Mapping[str, Callable[[Incoming], None]]:
        """Return Home Assistant's own birth."""
        return {self.config.birth_topic: self._home_assistant_says} if self.config.enabled else {}

    def retained(self) -> Iterable[Outgoing]:
        """Return the device document as it was published last; what has changed since follows."""
        if self._discovery is None:
            return
        message = self._discovery.message() if self.config.enabled else None
        if message is not None:
            yield message
        self._discovery.born()
        # It may have changed before this feature was there to hear of it.
        self.capabilities_changed()

    def capabilities_changed(self) -> None:
        """Derive the device document anew."""
        if self.host.camera.capabilities is not None:
            self._derive()

    def entities_changed(self) -> None:
        """Derive the device document anew."""
        self.capabilities_changed()

    def _derive(self) -> None:
        if self._discovery is None or self._identity is None or not self.config.enabled:
            return
        host = self.host
        camera = host.camera.capabilities
        # What this node does not do, or is denied, is nothing to press.
        offered = (e for e in host.entities() if e.command is None or e.command in host.commands)
        self._discovery.want(
            device_document(
                entities=offered,
                naming=Naming(topics=host.topics, unique_id=self._identity.unique_id),
                identity=self._identity,
                name=host.configuration.node.name,
                model=camera.model if camera else None,
                sensor=camera.sensor if camera else None,
                page=host.stream_page(),
                area=self.config.area,
            )
        )

    async def _do_without_camera(self) -> None:
        await self.host.clock.sleep(_CAMERA_PATIENCE_S)
        known = self._discovery.message() if self._discovery else None
        if self.host.camera.capabilities is None and known is None:
            self._derive()

    def _home_assistant_says(self, message: Incoming) -> None:
        # A retained birth is of an earlier time: at our own birth everything was published anyway.
        if message.payload != b"online" or message.retain:
            return
        if self._answering is None or self._answering.done():
            self._answering = asyncio.get_running_loop().create_task(
                self._answer(), name="home assistant birth"
            )

    async def _answer(self) -> None:
        await self.host.clock.sleep(self.host.random.uniform(0, _BIRTH_SPREAD_S))
        logger.info("Home Assistant has started: everything is published again")
        self.host.republish()
