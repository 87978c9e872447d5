"""The composition root: builds everything, starts it in order, stops it in reverse. Nothing else does."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from edge_agent import CONTRACT_VERSION, __version__
from edge_agent.assembly import Assembly
from edge_agent.camera.entities import camera_entities
from edge_agent.camera.feature import CameraCommands
from edge_agent.camera.settings import describe_settings
from edge_agent.clock import Clock
from edge_agent.config import Configuration
from edge_agent.contract.availability import Availability
from edge_agent.contract.command import Registry, bound
from edge_agent.contract.commands import Commands
from edge_agent.contract.dispatcher import Dispatcher
from edge_agent.contract.entity import Entity
from edge_agent.contract.events import Events
from edge_agent.contract.guards import Guards, RateLimit
from edge_agent.contract.journal import Journal
from edge_agent.contract.status import StatusBoard
from edge_agent.contract.topics import Topics
from edge_agent.errors import LinkError
from edge_agent.feature import Feature, Host
from edge_agent.health.problems import Problems
from edge_agent.mqtt.link import Link
from edge_agent.mqtt.message import Incoming, Outgoing
from edge_agent.mqtt.status import LinkStatus
from edge_agent.processes.child import Child
from edge_agent.storage import set_aside_in
from edge_agent.stream.entities import STREAM_ENTITIES
from edge_agent.stream.listener import PacketListener, packet_listener
from edge_agent.system import SystemCommands
from edge_agent.turns import Turns

__all__ = ["Agent"]

logger = logging.getLogger(__name__)

_FAREWELL_S: Final = 2.0  # what the publishers get before the camera goes


class Agent:
    """One agent for one camera. `run` returns True where it ended to be started again."""

    def __init__(
        self,
        *,
        configuration: Configuration,
        features: Mapping[str, type[Feature]],
        clock: Clock,
        random: Random,
        runtime_directory: Path | None = None,
    ) -> None:
        self._configuration = configuration
        self._feature_types = dict(features)
        self._clock = clock
        self._random = random
        self._runtime_directory = runtime_directory
        self._stopped = asyncio.Event()
        self._stopping = asyncio.Event()
        self._restart = False
        self._epoch = 0
        self._born = False
        self._features: dict[str, Feature] = {}
        self._readers: dict[str, list[Callable[[Incoming], None]]] = {}
        self._set_aside: dict[Path, int] = {}
        self._feature_states: dict[str, dict[str, str | None]] = {}
        node = configuration.node
        self._topics = Topics(root=configuration.mqtt.root, node=node.id, groups=node.groups)
        self._link = Link(
            config=configuration.mqtt,
            client_id=f"edge-agent-{node.id}",
            will=self._will,
            birth=self._birth,
            subscriptions=self._topics.subscriptions(),
            on_message=self._receive,
            clock=clock,
            random=random,
            on_state=self._link_changed,
        )
        self._events = Events(topics=self._topics, clock=clock, publish=self._publish)
        self._board = StatusBoard(
            topic=self._topics.status,
            clock=clock,
            publish=self._publish,
            interval_s=configuration.status.interval_s,
        )
        self._problems = Problems(clock=clock, events=self._events, changed=self._board.changed)
        self._availability = Availability(
            topic=self._topics.availability,
            clock=clock,
            publish=self._publish,
            contested=partial(self._problems.set, "duplicate_node"),
            unheard=partial(self._problems.set, "silently_denied"),
        )
        self._registry = Registry()
        deny = frozenset(configuration.commands.deny)
        self._commands = Commands(registry=self._registry, deny=deny)
        self._journal = Journal(
            path=configuration.state_dir / "journal.jsonl",
            clock=clock,
            window_s=configuration.commands.dedup_window_s,
            max_entries=configuration.commands.dedup_entries,
            on_trouble=partial(self._problems.set, "journal_not_written"),
        )
        self._dispatcher = Dispatcher(
            topics=self._topics,
            registry=self._registry,
            journal=self._journal,
            events=self._events,
            publish=self._publish,
            clock=clock,
            max_payload_bytes=configuration.commands.max_payload_bytes,
            guards=Guards(
                clock=clock,
                deny=deny,
                read_only=configuration.commands.read_only,
                limits={
                    name: RateLimit(limit.per_s, limit.burst)
                    for name, limit in configuration.commands.rate_limits.items()
                },
            ),
        )

    def stop(self) -> None:
        """Ask `run` to end; from the event loop's thread."""
        self._stopping.set()
        self._stopped.set()

    async def run(self) -> bool:
        """Live until `stop`, or until a command asked for a restart."""
        self._set_aside = set_aside_in(self._configuration.state_dir)
        async with AsyncExitStack() as stack:
            listener = stack.enter_context(packet_listener(self._runtime_directory))
            sub_listener = (
                stack.enter_context(packet_listener(self._runtime_directory))
                if self._configuration.stream.sub.enabled
                else None
            )
            self._assemble(listener, sub_listener)
            self._register_core()
            await self._start_features(stack)
            # Made once, away from the event loop, which never waits for as long as that takes.
            await asyncio.to_thread(self._registry.document)
            self._board.add("features", lambda: self._feature_states)
            self._board.add("problems", self._problems.document)
            self._board.add("health", self._problems.health)
            self._tell_damage()
            self._dispatcher.end_open_commands()
            stack.push_async_callback(self._camera.save)
            stack.push_async_callback(self._dispatcher.stop)
            async with asyncio.TaskGroup() as tasks:
                living = [
                    tasks.create_task(self._camera.run(), name="camera"),
                    tasks.create_task(self._board.run(), name="status"),
                ]
                streams = [tasks.create_task(self._stream.run(), name="stream")]
                if self._substream is not None:
                    streams.append(tasks.create_task(self._substream.run(), name="substream"))
                link = tasks.create_task(self._link.run(), name="link")
                await self._stopped.wait()
                # Commands that are under way are answered before the last word is said.
                await self._dispatcher.stop()
                self._availability.lost()
                await self._link.stop(self._availability.message("stopped", self._epoch))
                # What a publisher has to say to its server is written by the camera.
                for stream in streams:
                    stream.cancel()
                await asyncio.wait(streams, timeout=_FAREWELL_S)
                for task in [*living, link]:
                    task.cancel()
        return self._restart

    def _assemble(self, listener: PacketListener, sub_listener: PacketListener | None) -> None:
        assembly = Assembly(
            configuration=self._configuration,
            clock=self._clock,
            random=self._random,
            events=self._events,
            problems=self._problems,
            board=self._board,
            new_child=partial(Child, clock=self._clock, random=self._random),
        )
        changed = self._capabilities_changed
        self._camera = assembly.camera(listener, sub_listener, capabilities_changed=changed)
        self._stream = assembly.stream(listener, self._camera, capabilities_changed=changed)
        self._substream = assembly.substream(sub_listener, self._camera)

    def _register_core(self) -> None:
        system = SystemCommands(
            refresh=self._publish_everything,
            restart_agent=self._restart_agent,
            restart_camera=self._camera.restart,
            restart_stream=self._stream.child.restart,
            forever=self._forever,
        )
        for commands in (
            CameraCommands(camera=self._camera).commands(),
            map(self._substream.along_with, bound(self._stream)) if self._substream else bound(self._stream),
            system.commands(),
        ):
            for entry in commands:
                self._registry.add(entry)
        self._board.add("node", self._node_status)
        self._board.add("link", self._link_status)
        self._board.add("camera", self._camera.status)
        self._board.add("stream", self._stream_status)

    async def _start_features(self, stack: AsyncExitStack) -> None:
        host = Host(
            configuration=self._configuration,
            topics=self._topics,
            clock=self._clock,
            random=self._random,
            events=self._events,
            problems=self._problems,
            camera=self._camera,
            commands=self._commands,
            publish=self._publish,
            deliver=self._link.deliver,
            status_changed=self._board.changed,
            republish=self._republish,
            online=lambda: self._born,
            reconnect=self._link.reconnect,
            broker_certificate=lambda: self._link.status.broker_certificate,
            entities=self._entities,
            entities_changed=self._entities_changed,
            child_pids=self._child_pids,
            loops=self._loops,
            states=self._states,
            stopping=self._stopping,
            vitals=lambda: {"stream": self._stream.vitals()},
            stream_page=lambda: self._stream.page,
        )
        for name, feature_type in self._feature_types.items():
            try:
                section = feature_type.section
                config = self._configuration.section(name, section) if section else None
                feature = feature_type(host=host, config=config)
                commands = list(feature.commands())
                subscriptions = dict(feature.subscriptions())
                await stack.enter_async_context(feature)
                for entry in commands:
                    self._registry.add(entry)
                for key, part in feature.status().items():
                    self._board.add(key, part)
                for topic, reader in subscriptions.items():
                    self._readers.setdefault(topic, []).append(reader)
                self._link.also_subscribe(subscriptions)
            except Exception as error:
                # A broken feature stops nobody: it has a named state, and the agent lives on without it.
                logger.exception("The feature %s did not start", name)
                self._feature_failed(name, error)
                self._board.add_missing(feature_type.status_models)
            else:
                self._features[name] = feature
                self._feature_states[name] = {"state": "running", "reason": None}
        for name, feature in list(self._features.items()):
            try:
                feature.ready()
            except Exception as error:
                logger.exception("The feature %s did not start", name)
                self._feature_failed(name, error)

    def _tell_damage(self) -> None:
        found = set_aside_in(self._configuration.state_dir)
        names = sorted(path.name for path, inode in found.items() if self._set_aside.get(path) != inode)
        told = f"damaged, set aside as {', '.join(names)}, begun anew" if names else None
        self._problems.set("state_damaged", told)

    def _feature_failed(self, name: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self._feature_states[name] = {"state": "failed", "reason": reason}
        self._problems.set(f"feature_{name}", f"the feature '{name}' did not start: {reason}")

    def _children(self) -> dict[str, Child]:
        sub = {"sub_publisher": self._substream.service.child} if self._substream else {}
        return {"camera": self._camera.child, "publisher": self._stream.child, **sub}

    def _child_pids(self) -> dict[str, int]:
        pids = {name: child.status.pid for name, child in self._children().items()}
        return {"agent": os.getpid(), **{name: pid for name, pid in pids.items() if pid is not None}}

    def _loops(self) -> dict[str, Turns]:
        return {"link": self._link.turns, **{name: child.turns for name, child in self._children().items()}}

    def _states(self) -> dict[str, str]:
        camera, stream = self._camera.status().state, self._stream.status().state
        return {"broker": self._link.status.state, "camera": camera, "stream": stream}

    def _publish(self, message: Outgoing) -> None:
        """Publish; what is too large for the broker is told, not sent."""
        try:
            self._link.publish(message)
        except LinkError as error:
            logger.warning("Not published on %s: %s", message.topic, error.message)
            self._problems.set("message_too_large", f"{message.topic}: {error.message}")

    def _will(self, epoch: int) -> Outgoing:
        return self._availability.message("offline", epoch)

    async def _birth(self, epoch: int) -> None:
        self._epoch = epoch
        self._born = True
        self._publish_everything()
        self._availability.born(epoch)

    def _publish_everything(self) -> None:
        self._publish_capabilities()
        self._board.publish()
        for feature in self._features.values():
            for message in feature.retained():
                self._publish(message)

    def _republish(self) -> None:
        self._publish_everything()
        self._availability.repeat()

    def _entities(self) -> Iterator[Entity]:
        yield from camera_entities(self._camera.capabilities)
        yield from STREAM_ENTITIES
        for feature in self._features.values():
            yield from feature.entities()

    def _capabilities_changed(self) -> None:
        self._tell_damage()  # now its settings have been read, too
        self._publish_capabilities()
        for feature in self._features.values():
            feature.capabilities_changed()

    def _entities_changed(self) -> None:
        for feature in self._features.values():
            feature.entities_changed()

    def _publish_capabilities(self) -> None:
        camera = self._camera.capabilities
        document = {
            "agent_version": __version__,
            "contract_version": CONTRACT_VERSION,
            "node": self._node_status(),
            "camera": camera.model_dump(mode="json") if camera else None,
            "settings": describe_settings(camera.controls) if camera else None,
            "stream": self._stream.capabilities(),
            "features": sorted(self._features),
            "commands": self._registry.document(),
        }
        payload = json.dumps(document, separators=(",", ":")).encode()
        self._publish(Outgoing(topic=self._topics.capabilities, payload=payload, retain=True, kind="state"))

    def _receive(self, message: Incoming) -> None:
        if message.topic == self._topics.availability:
            self._availability.seen(message)
        elif self._topics.command_of(message.topic) is not None:
            self._dispatcher.receive(message)
        for reader in self._readers.get(message.topic, ()):
            reader(message)

    def _link_changed(self, status: LinkStatus) -> None:
        if status.state != "online":
            self._born = False
            self._availability.lost()
        denied = ", ".join(status.denied_subscriptions)
        told = f"the broker does not let this agent read {denied}: mend its ACL" if denied else None
        self._problems.set("subscription_denied", told)
        refused = ", ".join(status.denied_publishes)
        told = f"the broker does not let this agent write {refused}: mend its ACL" if refused else None
        self._problems.set("publish_denied", told)
        self._problems.set("duplicate_client_id", status.contested)
        self._board.changed()

    def _node_status(self) -> dict[str, Any]:
        node = self._configuration.node
        return {"id": node.id, "name": node.name, "groups": list(node.groups)}

    def _stream_status(self) -> dict[str, Any]:
        sub = self._substream.status() if self._substream else None
        return {**self._stream.status().model_dump(mode="json"), "sub": sub}

    def _link_status(self) -> dict[str, Any]:
        return {**self._link.status.document(), "refused_commands": self._dispatcher.refused_count}

    def _restart_agent(self) -> None:
        self._restart = True
        asyncio.get_running_loop().call_soon(self._stopped.set)  # the reply `accepted` goes first

    async def _forever(self) -> None:
        await asyncio.Event().wait()
