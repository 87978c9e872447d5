"""What a session with the stream's target is, and how it fails."""

from __future__ import annotations

from typing import Protocol

from edge_agent.errors import StreamError
from edge_agent.stream.messages import StreamCode
from edge_agent.stream.packets import PacketMessage

__all__ = ["Mux", "StreamTargetError"]


class StreamTargetError(StreamError):
    """A session with the stream's target could not be had, or broke; the code is one of StreamCode."""

    def __init__(self, message: str, *, code: StreamCode) -> None:
        super().__init__(message, code=code)
        self.stream_code: StreamCode = code


class Mux(Protocol):
    """One session with the target, which begins with a keyframe that its maker was given."""

    @property
    def established(self) -> bool:
        """Whether the target is known to take the stream; what was written before that may be lost."""

    def connect(self) -> None:
        """Connect and announce, or begin to. Raises StreamTargetError."""

    def write(self, packet: PacketMessage, *, now_s: float) -> None:
        """Write one packet, at `now_s` (monotonic). Raises StreamTargetError, also for what was before."""

    def close(self) -> None:
        """End the session. Never raises; may be called twice."""
