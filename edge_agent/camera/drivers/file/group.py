"""The group of pictures that is being passed through, kept so that a picture can be made from it."""

from __future__ import annotations

from typing import Any, Final

from av import VideoFrame

from edge_agent.camera.drivers.file.h264 import decode_all, new_decoder

__all__ = ["OpenGroup"]

_MAX_PACKETS: Final = 600
_MAX_BYTES: Final = 16 * 1024 * 1024
# As many as the slowest machine decodes without the frames' watchdog noticing.
_CATCH_UP_PACKETS: Final = 90


class OpenGroup:
    """The packets since the last keyframe, up to a limit; what comes after it is counted only."""

    def __init__(self) -> None:
        self._packets: list[bytes] = []
        self._bytes = 0
        self._missed = 0

    def __bool__(self) -> bool:
        return bool(self._packets)

    @property
    def can_catch_up(self) -> bool:
        """Whether a decoder can be brought up to now in a moment."""
        return bool(self._packets) and not self._missed and len(self._packets) <= _CATCH_UP_PACKETS

    def add(self, data: bytes, *, keyframe: bool) -> None:
        """Keep a packet; a keyframe begins a new group."""
        if keyframe:
            self._packets.clear()
            self._bytes = self._missed = 0
        if self._missed or len(self._packets) >= _MAX_PACKETS or self._bytes + len(data) > _MAX_BYTES:
            self._missed += 1
            return
        self._packets.append(data)
        self._bytes += len(data)

    def feed(self, decoder: Any) -> None:
        """Bring `decoder` up to now."""
        decode_all(decoder, self._packets)

    def copied(self) -> OpenGroup:
        """Return this group as it is now, for another thread."""
        other = OpenGroup()
        other._packets = list(self._packets)
        other._bytes, other._missed = self._bytes, self._missed
        return other

    @property
    def size_bytes(self) -> int:
        """How much is kept."""
        return self._bytes

    @property
    def missed(self) -> int:
        """How many packets its newest picture is behind."""
        return self._missed

    def picture(self) -> VideoFrame | None:
        """Return the newest picture that can be made."""
        return decode_all(new_decoder(), self._packets)
