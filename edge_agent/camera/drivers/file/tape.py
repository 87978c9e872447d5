"""A video file, read packet by packet, over and over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import av
from av import FFmpegError, Packet, VideoStream
from av.bitstream import BitStreamFilterContext

from edge_agent.camera.drivers.file.h264 import new_decoder, parameter_sets_of, with_parameter_sets
from edge_agent.errors import CameraUnavailableError

__all__ = ["Piece", "Tape", "TapeInfo"]

logger = logging.getLogger(__name__)

_PASSABLE_FORMATS: Final = frozenset({"yuv420p", "yuvj420p"})
_LOOK_AHEAD_PACKETS: Final = 300
_FPS_GUESS: Final = 25.0
_FPS_PLAUSIBLE: Final = (0.01, 480.0)


@dataclass(frozen=True, slots=True)
class TapeInfo:
    """What the file holds. `time_base` is in seconds; `bitrate_bps` is None where nothing tells it."""

    width: int
    height: int
    fps: float
    time_base: Fraction
    bitrate_bps: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """One packet: H.264 of a passable tape is in Annex B."""

    packet: Packet[VideoStream]
    stamp: int | None
    keyframe: bool


class Tape:
    """An open video file. At a round's end `next` returns None; `rewind` begins the next round.

    `passable` tells that the packets are H.264 in the order of their pictures, so that they can be passed
    on as they are, and that `pass_through` wants it. Constructing one opens the file and raises
    CameraUnavailableError where that fails.
    """

    def __init__(self, path: Path, *, pass_through: bool = True) -> None:
        self._path = path
        self._container: Any = None
        self._pieces: Iterator[Piece] | None = None
        self._told_broken = False
        self._first: tuple[int, int] | None = None  # stamp and size of the first packet
        self.passable = False
        self._open()
        self.info = self._look()
        self._parameter_sets = parameter_sets_of(self._codec_context.extradata)
        self._first = self._peek()
        self.passable = pass_through and self._looks_passable()
        self.rewind()

    def next(self) -> Piece | None:
        """Return the next packet, None at a round's end. Raises CameraUnavailableError: the file is gone."""
        if self._pieces is None:
            self._pieces = self._round()
        piece = next(self._pieces, None)
        if piece is None:
            self._pieces = None
        return piece

    def rewind(self) -> None:
        """Go back to the start of the file: the next packet is its first one."""
        self._pieces = None
        if not self._found_start():
            self.close()
            self._open()

    def decoder(self) -> Any:
        """Return a decoder of this tape's pieces that remembers nothing; take it anew after a rewind."""
        if self.passable:
            return new_decoder()
        self._codec_context.flush_buffers()
        return self._codec_context

    def data_of(self, piece: Piece) -> bytes:
        """Return a passable piece's bytes; a keyframe's with SPS and PPS."""
        data = bytes(piece.packet)
        return with_parameter_sets(data, self._parameter_sets) if piece.keyframe else data

    def close(self) -> None:
        """Close the file."""
        self._pieces = None
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _open(self) -> None:
        try:
            container: Any = av.open(str(self._path))
        except (OSError, ValueError, FFmpegError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CameraUnavailableError(
                f"the video file '{self._path}' cannot be opened: {reason}",
                field="camera.path",
                value=str(self._path),
            ) from error
        if not container.streams.video:
            container.close()
            raise CameraUnavailableError(
                f"the file '{self._path}' has no picture in it", field="camera.path", value=str(self._path)
            )
        self._container = container
        self._stream: Any = container.streams.video[0]
        self._codec_context: Any = self._stream.codec_context
        self._codec_context.thread_type = "FRAME"
        self._packets: Iterator[Any] = iter(container.demux(self._stream))

    def _peek(self) -> tuple[int, int] | None:
        """Return stamp and size of the next packet, None where it has no stamp to seek by."""
        try:
            packet = next(self._packets, None)
        except FFmpegError:
            return None  # reading on tells it
        if packet is None:
            return None
        self._packets = chain((packet,), self._packets)
        return None if packet.dts is None else (packet.dts, packet.size)

    def _found_start(self) -> bool:
        # Not every container finds its start again: some have no index, some seek by other stamps.
        if self._first is None:
            return False
        try:
            self._container.seek(self._first[0], stream=self._stream)
        except FFmpegError:
            return False
        self._packets = iter(self._container.demux(self._stream))
        return self._peek() == self._first

    def _look(self) -> TapeInfo:
        stream = self._stream
        width, height = self._codec_context.width, self._codec_context.height
        if not width or not height or stream.time_base is None:
            self.close()
            raise CameraUnavailableError(
                f"the video file '{self._path}' does not tell the size of its picture",
                field="camera.path",
                value=str(self._path),
            )
        # A container without time stamps has no average: what the stream itself says is the better guess.
        rates = [stream.average_rate, stream.guessed_rate]
        if stream.duration is None and stream.start_time is None:
            rates.reverse()
        plausible = [float(r) for r in rates if r and _FPS_PLAUSIBLE[0] <= r <= _FPS_PLAUSIBLE[1]]
        return TapeInfo(
            width=width - width % 2,
            height=height - height % 2,
            fps=plausible[0] if plausible else _FPS_GUESS,
            time_base=stream.time_base,
            bitrate_bps=stream.bit_rate or self._container.bit_rate or None,
        )

    def _looks_passable(self) -> bool:
        context = self._codec_context
        if context.name != "h264" or context.pix_fmt not in _PASSABLE_FORMATS or context.has_b_frames:
            return False
        before: int | None = None
        for piece in islice(self._round(), _LOOK_AHEAD_PACKETS):
            if piece.stamp is not None and before is not None and piece.stamp <= before:
                return False
            before = piece.stamp
        return True

    def _round(self) -> Iterator[Piece]:
        to_annex_b: Any = None
        before: int | None = None
        try:
            if self.passable:
                to_annex_b = BitStreamFilterContext("h264_mp4toannexb", self._stream)
            for packet in self._packets:
                if not packet.size:
                    continue
                if packet.is_corrupt:
                    self._tell_broken("a packet is cut off")
                    return
                if self.passable and before is not None and packet.pts is not None and packet.pts <= before:
                    self._tell_reordered()
                    return
                before = packet.pts
                for done in to_annex_b.filter(packet) if to_annex_b else (packet,):
                    yield Piece(done, done.pts, done.is_keyframe)
        except FFmpegError as error:
            self._tell_broken(error.strerror or str(error))

    def _tell_reordered(self) -> None:
        self.passable = False
        logger.warning(
            "%s: its pictures are stored out of order, it is decoded and encoded anew", self._path.name
        )

    def _tell_broken(self, reason: str) -> None:
        if not self._told_broken:
            self._told_broken = True
            logger.warning("%s breaks off, it starts again: %s", self._path.name, reason)
