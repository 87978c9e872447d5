"""From a target to the session that reaches it: RTSP is spoken here, the rest by libav."""

from __future__ import annotations

import random

from edge_agent.stream.connection import connect
from edge_agent.stream.libav_mux import LibavMux
from edge_agent.stream.messages import PublisherConfig
from edge_agent.stream.mux import Mux
from edge_agent.stream.packets import PacketMessage
from edge_agent.stream.rtsp_mux import RtspMux
from edge_agent.stream.url import ENCRYPTED, StreamUrl

__all__ = ["new_mux"]


def new_mux(
    target: StreamUrl, *, config: PublisherConfig, first: PacketMessage, chance: random.Random
) -> Mux:
    """Return a session that begins with the keyframe `first`; it connects to nothing yet."""
    trust = config.trust
    if target.scheme in ("rtsp", "rtsps"):
        return RtspMux(
            target=target,
            transport=config.transport,
            trust=trust if target.scheme in ENCRYPTED else None,
            connect_timeout_s=config.connect_timeout_s,
            first=first,
            chance=chance,
        )

    def why() -> None:
        """Look where libav only says that something went wrong: with certificates it names no reason."""
        if target.scheme in ENCRYPTED:
            connect(target, trust=trust, timeout_s=config.connect_timeout_s).close()

    return LibavMux(
        target=target,
        trust=trust,
        connect_timeout_s=config.connect_timeout_s,
        first=first,
        why=why,
    )
