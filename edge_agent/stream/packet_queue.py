"""A bounded queue of encoded packets that stays decodable: what it loses, it loses up to a keyframe."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Entry", "PacketQueue", "Put", "Why"]

# Why a packet is not among those that come out.
Why = Literal["queue_full", "too_large", "beginning", "format_change"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame as it goes over the socket: a packet, or a format where `is_packet` is false."""

    frame: bytes
    is_packet: bool
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Put:
    """How many packets were lost by putting one in, and whether a keyframe is to be asked for now.

    `left_out` is one that nothing could be made of, as no keyframe has come yet; `why` says why either.
    """

    dropped: int = 0
    needs_keyframe: bool = False
    left_out: int = 0
    why: Why | None = None


_NOTHING_LOST: Final = Put()


class PacketQueue:
    """One consumer's queue; not safe against threads, its owner locks.

    It begins, and goes on after a loss or a change of format, with a keyframe. What comes before the first
    keyframe of a beginning is left out and is no loss; what an overflow costs is counted. A format is never
    lost, unless a newer one replaces it before any packet in between.
    """

    def __init__(self, *, max_packets: int, max_bytes: int) -> None:
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._packets = 0
        self._needs_keyframe = True
        self._why: Why = "beginning"

    @property
    def packets(self) -> int:
        """How many packets are waiting."""
        return self._packets

    @property
    def fill(self) -> float:
        """How full it is, of 1, by packets or by bytes."""
        return max(self._packets / self._max_packets, self._bytes / self._max_bytes)

    @property
    def entries(self) -> int:
        """How many packets and formats are waiting."""
        return len(self._entries)

    def put_format(self, frame: bytes) -> None:
        """Queue a format; what follows it begins with a keyframe."""
        if self._entries and not self._entries[-1].is_packet:
            self._entries.pop()
        self._entries.append(Entry(frame, is_packet=False, keyframe=False))
        if not self._needs_keyframe:
            self._why = "format_change"
        self._needs_keyframe = True

    def put_packet(self, frame: bytes | None, *, keyframe: bool) -> Put:
        """Queue a packet; None is one that cannot be sent at all."""
        if frame is None or len(frame) > self._max_bytes:
            return self._lose(1, "too_large")
        if self._needs_keyframe and not keyframe:
            lost = self._why in ("queue_full", "too_large")
            return Put(dropped=int(lost), left_out=int(not lost), why=self._why)
        dropped = 0
        while self._is_full_for(frame):
            dropped += self._drop_to_next_keyframe()
        if dropped and not keyframe and not self._packets:
            # All that this one builds upon is gone.
            return self._lose(dropped + 1, "queue_full")
        self._needs_keyframe = False
        self._entries.append(Entry(frame, is_packet=True, keyframe=keyframe))
        self._packets += 1
        self._bytes += len(frame)
        return Put(dropped=dropped, why="queue_full") if dropped else _NOTHING_LOST

    def lets_by(self, size_bytes: int, *, keyframe: bool) -> bool:
        """Whether a packet need not wait: nothing does, and something can be made of it. It is out then."""
        if self._entries or size_bytes > self._max_bytes or not (keyframe or not self._needs_keyframe):
            return False
        self._needs_keyframe = False
        return True

    def take(self) -> Entry | None:
        """Return the oldest entry, None where there is none."""
        if not self._entries:
            return None
        entry = self._entries.popleft()
        if entry.is_packet:
            self._packets -= 1
            self._bytes -= len(entry.frame)
        return entry

    def _lose(self, count: int, why: Why) -> Put:
        asks = not self._needs_keyframe
        self._needs_keyframe = True
        self._why = why
        return Put(dropped=count, needs_keyframe=asks, why=why)

    def _is_full_for(self, frame: bytes) -> bool:
        if not self._packets:
            return False
        return self._packets >= self._max_packets or self._bytes + len(frame) > self._max_bytes

    def _drop_to_next_keyframe(self) -> int:
        """Drop the oldest packets, at least one, up to a keyframe; keep the last format among them."""
        dropped = 0
        kept_format: Entry | None = None
        while self._entries and not (dropped and self._entries[0].keyframe):
            entry = self._entries.popleft()
            if entry.is_packet:
                dropped += 1
                self._packets -= 1
                self._bytes -= len(entry.frame)
            else:
                kept_format = entry
        if kept_format is not None:
            self._entries.appendleft(kept_format)
        return dropped
