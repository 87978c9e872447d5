"""What a feature is, and what it is given.

A feature is one ability of the agent: it has a name, a section of the configuration, commands, parts of
`status`, and a life. Built-in ones and third parties' come in by the same door, the entry point group
`edge_agent.features`. One that fails to start gets a named state, and the agent lives on without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from random import Random
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel

from edge_agent.camera.port import CameraPort
from edge_agent.clock import Clock
from edge_agent.config import Configuration
from edge_agent.contract.command import Command, bound
from edge_agent.contract.commands import Commands
from edge_agent.contract.entity import Entity
from edge_agent.contract.events import Events
from edge_agent.contract.status import Part
from edge_agent.contract.topics import Topics
from edge_agent.health.problems import Problems
from edge_agent.mqtt.message import Incoming, Outgoing
from edge_agent.mqtt.validity import Validity
from edge_agent.turns import Turns

__all__ = ["Feature", "Host", "discover"]

logger = logging.getLogger(__name__)

GROUP: Final = "edge_agent.features"


@dataclass(frozen=True, kw_only=True)
class Host:
    """What every feature is given.

    `publish` never waits and never fails; `deliver` sends a `bulk` message and returns when the broker has
    it, or raises LinkError.
    `loops` are the loops that must go round for this agent to live, `states` the state of its parts in a
    word, and `stopping` is set when it begins to stop for good, not to start again. `stream_page` is where a
    browser shows the stream, None while nobody knows; that it has changed is a change of the capabilities.
    `broker_certificate` is how long the one is good that the broker showed last, None without TLS.
    """

    configuration: Configuration
    topics: Topics
    clock: Clock
    random: Random
    events: Events
    problems: Problems
    camera: CameraPort
    commands: Commands
    publish: Callable[[Outgoing], None]
    deliver: Callable[[Outgoing], Awaitable[None]]
    status_changed: Callable[[], None]
    republish: Callable[[], None]
    online: Callable[[], bool]
    reconnect: Callable[[str], None]
    entities: Callable[[], Iterable[Entity]]
    entities_changed: Callable[[], None]
    child_pids: Callable[[], Mapping[str, int]]
    loops: Callable[[], Mapping[str, Turns]] = dict
    states: Callable[[], Mapping[str, str]] = dict
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    vitals: Callable[[], Mapping[str, Any]] = dict
    stream_page: Callable[[], str | None] = lambda: None
    broker_certificate: Callable[[], Validity | None] = lambda: None


class Feature:
    """The base of all features: override what there is to say."""

    name: ClassVar[str]
    section: ClassVar[type[BaseModel] | None] = None
    # The models of this feature's parts of `status`, so that the published contract can describe them.
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {}

    def __init__(self, *, host: Host, config: Any) -> None:
        self.host = host
        self.config = config

    @classmethod
    def sections(cls) -> Mapping[str, type[BaseModel]]:
        """Return the sections of the configuration that are this feature's; `config` is that of its name."""
        return {} if cls.section is None else {cls.name: cls.section}

    @classmethod
    def faults(cls, configuration: Configuration) -> list[str]:
        """Return what is wrong in this feature's own files, each with its place: for `edge-agent check`."""
        del configuration
        return []

    def commands(self) -> Iterable[Command]:
        """Return the commands that this feature carries out: its methods declared by `@command`."""
        return tuple(bound(self))

    def status(self) -> Mapping[str, Part]:
        """Return the parts of `status` that are this feature's."""
        return {}

    def retained(self) -> Iterable[Outgoing]:
        """Return what this feature publishes at every birth: its retained documents, and the like."""
        return ()

    def entities(self) -> Iterable[Entity]:
        """Return what a home sees of this feature."""
        return ()

    def capabilities_changed(self) -> None:
        """What the camera can do, what features there are, or where the stream is shown is not as it was."""

    def entities_changed(self) -> None:
        """What a home sees of this node is not as it was: some feature said so to its host."""

    def subscriptions(self) -> Mapping[str, Callable[[Incoming], None]]:
        """Return the topics that this feature reads, without wildcards, and who takes their messages."""
        return {}

    def ready(self) -> None:
        """Begin what needs the others: all features have started, and every command is known."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def discover() -> dict[str, type[Feature]]:
    """Return the installed features by name; one whose package is broken is left out and logged."""
    found: dict[str, type[Feature]] = {}
    for entry_point in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            feature = entry_point.load()
        except Exception:
            logger.exception("The feature %s cannot be loaded", entry_point.name)
            continue
        if isinstance(feature, type) and issubclass(feature, Feature):
            found[feature.name] = feature
        else:
            logger.error("The entry point %s of %s is not a feature", entry_point.name, GROUP)
    return found
