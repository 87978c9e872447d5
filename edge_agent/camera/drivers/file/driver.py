"""The file driver: the tape's packets, passed through or decoded, at the right time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Final

from av import VideoFrame
from av.error import InvalidDataError

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.drivers.base import EncodedPacket, Sample, Still, Wish
from edge_agent.camera.drivers.copies import copied
from edge_agent.camera.drivers.file.group import OpenGroup
from edge_agent.camera.drivers.file.limits import capabilities_of, fitted, needs_no_change
from edge_agent.camera.drivers.file.options import FileOptions
from edge_agent.camera.drivers.file.picture import PictureFilter
from edge_agent.camera.drivers.file.tape import Piece, Tape
from edge_agent.camera.drivers.file.timing import Anchor, FrameGate, Timeline
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.clock import Clock
from edge_agent.errors import CameraError, CameraUnavailableError

__all__ = ["FileDriver"]

logger = logging.getLogger(__name__)

_BAD_PACKETS_IN_A_ROW: Final = 100


@dataclass(frozen=True, slots=True)
class _Shot:
    """What is to be shown next: a picture, or a packet, and its place on the time line."""

    place_us: int
    source: VideoFrame | None = None  # as the file has it
    frame: VideoFrame | None = None  # as it is shown
    data: bytes = b""
    keyframe: bool = False


class FileDriver:
    """A video file as a camera.

    Where the file is H.264 and the settings change nothing, its packets are passed through. A live setting
    that changes the picture switches to decoding with the next frame; where the present group of pictures is
    too long to be caught up with, the file starts again for it. The way back is taken at the next keyframe.
    `configure` into passing through starts the file again, so that a keyframe comes first. Without `loop`
    the camera is gone at the end of the file.
    """

    name = "file"

    def __init__(
        self, *, options: FileOptions, clock: Clock, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._options = options
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()  # the next three are read and written by both threads
        self._settings = CameraSettings()
        self._wants_passing = False
        self._passing = False
        self._tape: Tape | None = None

    def open(self) -> CameraCapabilities:
        """Open the file. Raises CameraUnavailableError with its path and the reason where that fails."""
        self.close()
        tape = self._tape = Tape(self._options.path, pass_through=self._options.pass_through)
        info = tape.info
        self._step_ns = round(1_000_000_000 / info.fps)
        self._timeline = Timeline(time_base=info.time_base, fps=info.fps)
        self._gate = FrameGate(native_fps=info.fps)
        self._anchor = Anchor()
        self._picture = PictureFilter()
        self._source: VideoFrame | None = None
        self._decoder: Any = None
        self._waiting: deque[_Shot] = deque()
        self._next: _Shot | None = None
        self._group = OpenGroup()
        self._sequence = 0
        self._pictures_in_round = 0
        self._bad_in_a_row = 0
        self._told_bad = False
        self._ended = False
        return capabilities_of(info, self._options.path, passing=tape.passable)

    def configure(self, settings: CameraSettings) -> None:
        """Take these settings, and start to play or go on playing."""
        tape = self._opened()
        self._take(fitted(settings, tape.info), tape)
        passing = self._wants_passing and tape.passable
        if passing or self._decoder is None:
            self._start_again(tape)
            self._waiting.clear()
            self._switch(decoder=None if passing else tape.decoder())
        self._next = None

    def apply(self, settings: CameraSettings) -> None:
        """Set what is live; size and orientation stay as configured."""
        tape = self._opened()
        old = self._settings
        view = settings.view.model_copy(
            update=old.view.model_dump(include={"hflip", "vflip", "rotation", "lens_correction"})
        )
        video = settings.video.model_copy(update=old.video.model_dump(include={"width", "height"}))
        self._take(fitted(settings.model_copy(update={"view": view, "video": video}), tape.info), tape)

    def applied(self) -> CameraSettings:
        """Return what the next frame is shown with. The bit rate of what passes through is the file's."""
        tape = self._opened()
        with self._lock:
            settings, passing = self._settings, self._passing and self._wants_passing
        if not passing or tape.info.bitrate_bps is None:
            return settings
        video = settings.video.model_copy(update={"bitrate_bps": tape.info.bitrate_bps})
        return settings.model_copy(update={"video": video})

    def want_small(self, size_of: Callable[[int, int], tuple[int, int]]) -> None:
        """Leave it out: it would have to scale its own picture."""

    def read(self, timeout_s: float) -> Sample | None:
        """Wait until the next frame is due by the file's own time."""
        tape = self._opened()
        deadline_s = self._clock.monotonic() + timeout_s
        while self._next is None:
            if self._clock.monotonic() > deadline_s:
                return None
            self._next = self._advance(tape)
        shot = self._next
        now_s = self._clock.monotonic()
        pts_us = self._anchor.pts_us(shot.place_us, now_s=now_s)
        until_due_s = pts_us / 1_000_000 - now_s
        if until_due_s > deadline_s - now_s:
            self._wait(max(0.0, deadline_s - now_s))
            return None
        if until_due_s > 0:
            self._wait(until_due_s)
        self._next = None
        return self._sample(shot, pts_us)

    def request_keyframe(self) -> None:
        """Nothing to do: frames are encoded later, and packets come with the file's own keyframes."""

    def set_bitrate(self, bps: int) -> None:
        """Nothing to do: frames are encoded later, and packets are as big as they are."""

    def trigger_focus(self) -> None:
        """Refuse: a file has no lens."""
        raise CameraError(f"'{self._options.path.name}' is a file and has no lens to focus")

    def stills(self, last: Sample, wish: Wish) -> Generator[Still, None, None]:
        """Yield `last`, up to the file's own size; what passed through is decoded, from its keyframe on."""
        tape = self._opened()
        if wish.raw:
            raise CameraError(f"'{self._options.path.name}' is a file and holds no raw data")
        if self._source is not None:
            source, settings = self._source, self._settings
            if wish.size is not None:
                size = {
                    "width": _even(wish.size[0], tape.info.width),
                    "height": _even(wish.size[1], tape.info.height),
                }
                settings = merge(settings, {"video": size})
            # Nothing changes a decoded frame any more, and the file's own size is not much to keep.
            yield Still(
                reading=last.reading,
                develop=lambda: copied(PictureFilter().apply(source, settings)),
                waiting_bytes=tape.info.width * tape.info.height * 3 // 2,
            )
            return
        group = self._group.copied()
        if not group:
            raise CameraError(f"no picture of '{self._options.path.name}' can be decoded yet")
        reading, behind = last.reading, group.missed
        if behind:
            timestamp_ns = reading.timestamp_ns - behind * self._step_ns
            reading = reading.model_copy(
                update={"sequence": reading.sequence - behind, "timestamp_ns": timestamp_ns}
            )

        def decoded() -> VideoFrame:
            frame = group.picture()
            if frame is None:
                raise CameraError(f"no picture of '{self._options.path.name}' can be decoded yet")
            return frame

        yield Still(reading=reading, develop=decoded, waiting_bytes=group.size_bytes)

    def close(self) -> None:
        """Close the file."""
        tape, self._tape = self._tape, None
        self._decoder = None
        self._passing = False
        if tape is not None:
            tape.close()

    def _opened(self) -> Tape:
        if self._tape is None:
            raise CameraUnavailableError(f"the video file '{self._options.path}' is not open")
        return self._tape

    def _sample(self, shot: _Shot, pts_us: int) -> Sample:
        fps = self._settings.video.fps
        reading = Reading(
            sequence=self._sequence, timestamp_ns=pts_us * 1000, frame_duration_us=round(1_000_000 / fps)
        )
        self._sequence += 1
        self._source = shot.source
        if shot.frame is not None:
            return Sample(reading=reading, pts_us=pts_us, frame=shot.frame, shared=True)
        self._group.add(shot.data, keyframe=shot.keyframe)
        packet = EncodedPacket(data=shot.data, pts_us=pts_us, keyframe=shot.keyframe)
        return Sample(reading=reading, pts_us=pts_us, packets=(packet,))

    def _advance(self, tape: Tape) -> _Shot | None:
        """Go on by one packet or one picture. Return what is to be shown, None where nothing is yet."""
        if self._waiting:
            return self._shown_of(self._waiting.popleft())
        if self._ended:
            raise CameraUnavailableError(
                f"the video file '{self._options.path}' has come to its end, and 'loop' is off"
            )
        self._settle(tape)
        piece = tape.next()
        if piece is None:
            self._end_round(tape)
            return None
        if piece.keyframe:
            self._settle_at_keyframe(tape)
        if not self._passing:
            self._decode(piece)
            if self._bad_in_a_row >= _BAD_PACKETS_IN_A_ROW:
                self._end_round(tape)
            return None
        if not (piece.keyframe or self._group):
            return None  # nobody could decode what comes before the first keyframe
        self._pictures_in_round += 1
        place_us = self._timeline.place(piece.stamp)
        return _Shot(place_us=place_us, data=tape.data_of(piece), keyframe=piece.keyframe)

    def _shown_of(self, shot: _Shot) -> _Shot | None:
        settings = self._settings
        if shot.source is None or not self._gate.passes(shot.place_us, settings.video.fps):
            return None
        return replace(shot, frame=self._picture.apply(shot.source, settings))

    def _decode(self, piece: Piece | None) -> None:
        """Decode one packet, or with None what the decoder still holds back."""
        try:
            frames = self._decoder.decode(piece.packet if piece else None)
        except InvalidDataError as error:
            self._bad_in_a_row += 1
            if not self._told_bad:
                self._told_bad = True
                logger.warning(
                    "%s: packets that cannot be decoded are left out: %s", self._options.path.name, error
                )
            return
        if frames:
            self._bad_in_a_row = 0
        self._pictures_in_round += len(frames)
        self._waiting.extend(_Shot(self._timeline.place(frame.pts), source=frame) for frame in frames)

    def _end_round(self, tape: Tape) -> None:
        if self._decoder is not None:
            self._decode(None)
        if not self._pictures_in_round:
            raise CameraError(f"no picture of '{self._options.path}' can be decoded")
        self._ended = not self._options.loop
        if self._ended:
            return
        self._start_again(tape)
        if not self._passing or not tape.passable:
            self._switch(decoder=tape.decoder())

    def _take(self, settings: CameraSettings, tape: Tape) -> None:
        wants_passing = needs_no_change(settings, tape.info)
        with self._lock:
            self._settings = settings
            self._wants_passing = wants_passing

    def _start_again(self, tape: Tape) -> None:
        tape.rewind()
        self._timeline.new_round()
        self._pictures_in_round = self._bad_in_a_row = 0

    def _settle(self, tape: Tape) -> None:
        """Begin to decode where the settings want it."""
        if not self._passing or self._wants_passing:
            return
        decoder = tape.decoder()
        if self._group.can_catch_up:
            self._group.feed(decoder)
        else:
            self._start_again(tape)
        self._switch(decoder=decoder)

    def _settle_at_keyframe(self, tape: Tape) -> None:
        """Begin to pass through where the settings allow it again."""
        if self._wants_passing and tape.passable and not self._passing:
            self._switch(decoder=None)

    def _switch(self, *, decoder: Any) -> None:
        """Decode with this decoder from now on, or pass through without one."""
        self._decoder = decoder
        self._group = OpenGroup()
        with self._lock:
            self._passing = decoder is None


def _even(asked: int, own: int) -> int:
    """Return a size that pictures of half the colours can have, as near as the file has it."""
    return min(asked + asked % 2, own - own % 2)
