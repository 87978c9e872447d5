"""The topics of one node: where each document goes and which command a topic means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["COMMAND_NAME", "NODE_ID", "Topics"]

NODE_ID: Final = re.compile(r"[a-z0-9_-]{1,64}")
COMMAND_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Topics:
    """The topics under `<root>/<node>`, and the shared command topics of all nodes and of its groups."""

    root: str
    node: str
    groups: Sequence[str] = ()

    @property
    def base(self) -> str:
        """The node's own tree."""
        return f"{self.root}/{self.node}"

    @property
    def availability(self) -> str:
        """Retained, and the will's."""
        return f"{self.base}/availability"

    @property
    def capabilities(self) -> str:
        """Retained: what this node can do."""
        return f"{self.base}/capabilities"

    @property
    def status(self) -> str:
        """Retained: the whole reported state."""
        return f"{self.base}/status"

    @property
    def heartbeat(self) -> str:
        """Retained: the machine's vital signs."""
        return f"{self.base}/heartbeat"

    @property
    def desired(self) -> str:
        """Retained, written by others: the wanted state."""
        return f"{self.base}/desired"

    @property
    def image_latest(self) -> str:
        """The last snapshot's JPEG bytes."""
        return self.image("latest")

    def image(self, name: str) -> str:
        """A picture from the store, by its id; below it its chunks by number, and its `thumbnail`."""
        return f"{self.base}/image/{name}"

    def reply(self, command: str) -> str:
        """Where a command is answered."""
        return f"{self.base}/reply/{command}"

    def event(self, kind: str) -> str:
        """Where something that happened is told."""
        return f"{self.base}/event/{kind}"

    @property
    def _command_bases(self) -> tuple[str, ...]:
        shared = ("@all", *(f"@group/{group}" for group in self.groups))
        return (f"{self.base}/cmd", *(f"{self.root}/{name}/cmd" for name in shared))

    def subscriptions(self) -> tuple[str, ...]:
        """Every filter that the agent reads."""
        return (*(f"{base}/+" for base in self._command_bases), self.availability, self.desired)

    def command_of(self, topic: str) -> str | None:
        """Return the command that `topic` asks for, None where it is no command topic of this node."""
        base, _, name = topic.rpartition("/")
        return name if base in self._command_bases else None

    def may_be_answered_on(self, topic: str) -> bool:
        """Whether a caller's own response topic is safe to write to.

        A response topic is chosen by whoever sent the command: it must not make this agent send commands,
        overwrite a node's documents or write where the broker lives.
        """
        if not topic or topic.startswith("$") or any(sign in topic for sign in "+#\0") or len(topic) > 512:
            return False
        return not topic.startswith(f"{self.root}/")
