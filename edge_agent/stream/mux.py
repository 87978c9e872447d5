"""What a session with the stream's target is, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge_agent.errors import StreamError
from edge_agent.stream.loan import Insert, Take
from edge_agent.stream.messages import StreamCode
from edge_agent.stream.packets import PacketMessage, Progress

__all__ = ["Lendable", "Mux", "StreamTargetError"]


class StreamTargetError(StreamError):
    """A session with the stream's target could not be had, or broke; the code is one of StreamCode.

    `second_hand`: only that the connection is over was heard. What it broke of was told to another that holds
    it: the system tells that once.
    """

    def __init__(self, message: str, *, code: StreamCode, second_hand: bool = False) -> None:
        super().__init__(message, code=code)
        self.stream_code: StreamCode = code
        self.second_hand = second_hand


class Mux(Protocol):
    """One session with the target, which begins with a keyframe that its maker was given."""

    @property
    def established(self) -> bool:
        """Whether the target is known to take the stream; what was written before that may be lost."""

    def connect(self) -> None:
        """Connect and announce, or begin to. Raises StreamTargetError."""

    def write(self, packet: PacketMessage, *, now_s: float) -> None:
        """Write one packet, at `now_s` (monotonic). Raises StreamTargetError, also for what was before."""

    @property
    def lendable(self) -> Lendable | None:
        """The same session, where the camera may write to it by itself; None where it cannot."""

    def close(self) -> None:
        """End the session. Never raises; may be called twice."""


class Lendable(Mux, Protocol):
    """A session whose connection can be lent to the camera, at a packet's end (see `loan`)."""

    def fileno(self) -> int:
        """Return the connection's descriptor, which is readable when the server has said something."""

    def terms(self) -> Take:
        """Return what the camera needs to go on from here."""

    def lend(self, say: Callable[[Insert], None]) -> None:
        """Write nothing more by oneself: what is to be said to the server goes by way of `say`."""

    def attend(self, now_s: float, *, heard: bool) -> None:
        """Hear the server, when it has been `heard` of or is due. Raises StreamTargetError."""

    def broke(self, number: int) -> StreamTargetError:
        """Return what to raise where the camera met the system's error `number`."""

    def end_loan(self) -> None:
        """Write by oneself again: the camera has let go at a packet's end."""

    def take_back(self, progress: Progress | None) -> bool:
        """Go on where the camera ended, by its last word; False where that cannot be known."""
