"""The publishing thread: packets from the camera into one session with the target after the other."""

from __future__ import annotations

import logging
import math
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_agent.errors import ProcessError
from edge_agent.stream.loan import Ask, GoOn
from edge_agent.stream.mux import Lendable, Mux, StreamTargetError
from edge_agent.stream.packet_source import PacketSource, parameter_sets
from edge_agent.stream.packets import Lost, PacketMessage, Progress, StreamFormat
from edge_agent.stream.publisher_status import PublisherStatus
from edge_agent.stream.retry import Retry

__all__ = ["Publisher"]

logger = logging.getLogger(__name__)

_SILENCE_S: Final = 5.0  # after this without a packet nothing is being published
_RETURN_S: Final = 3.0  # a camera that is back within this goes on in the same session
_PATIENCE_S: Final = 1.0  # a keyframe that was asked for is here by then
_ABSENT_FIRST_S: Final = 0.1
_ABSENT_CAP_S: Final = 1.0
_TELL_S: Final = 0.2
_LOOK_S: Final = 0.25  # how late a stop may be noticed
_AHEAD_S: Final = 0.05
_LOST_S: Final = 1.0  # a camera whose connection broke has said so by then
_ANSWERS_S: Final = 2.0  # a camera that lives has answered by then, which is asked every second


@dataclass(frozen=True, slots=True)
class _Start:
    """What a session begins with."""

    stream_format: StreamFormat
    keyframe: PacketMessage

    def continues(self, other: _Start) -> bool:
        """Whether the pictures from here are announced rightly by what was announced for `other`."""
        mine, theirs = bytes(self.keyframe.data), bytes(other.keyframe.data)
        return self.stream_format == other.stream_format and parameter_sets(mine) == parameter_sets(theirs)


class Publisher:
    """Publishes until `stop` is set. `open_mux` makes a session that begins with the given keyframe."""

    def __init__(
        self,
        *,
        source: PacketSource,
        open_mux: Callable[[PacketMessage], Mux],
        status: PublisherStatus,
        retry: Retry,
        stop: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._open_mux = open_mux
        self._status = status
        self._retry = retry
        self._stop = stop
        self._monotonic = monotonic
        self._format: StreamFormat | None = None
        self._last_message_s = monotonic()
        self._published_since_s: float | None = None
        self._handed: list[PacketMessage] = []
        self._progress: Progress | None = None
        self._complained = False

    def run(self) -> None:
        """Wait for the camera, publish, and begin anew after whatever ended it."""
        following: _Start | None = None
        try:
            while not self._stop.is_set():
                start = following or self._await_start()
                following = self._session(start) if start is not None else None
        finally:
            self._source.close()
            self._status.change("stopped")

    def _await_start(self, *, give_up_s: float | None = None) -> _Start | None:
        """Return the next keyframe and its format. None when stopped, or after `give_up_s`."""
        begin_s = self._monotonic()
        absent_s = _ABSENT_FIRST_S
        while not self._stop.is_set():
            waited_s = self._monotonic() - begin_s
            if give_up_s is not None and waited_s >= give_up_s:
                return None
            if give_up_s is None and waited_s >= _PATIENCE_S:
                self._say_waiting()
            try:
                if not self._source.connected and not self._connect_source():
                    self._stop.wait(absent_s)
                    absent_s = min(absent_s * 2, _ABSENT_CAP_S)
                    continue
                message = self._source.read()
            except ProcessError as error:
                logger.info("%s", error)
                self._stop.wait(absent_s)
                continue
            if isinstance(message, StreamFormat):
                self._format = message
            elif isinstance(message, PacketMessage):
                self._last_message_s = self._monotonic()
                if message.keyframe and self._format is not None:
                    return _Start(self._format, message.kept())
        return None

    def _connect_source(self) -> bool:
        self._format = None
        return self._source.connect()

    def _session(self, start: _Start) -> _Start | None:
        """Publish one session. Return what the next one begins with, where that is known already."""
        self._status.attempt()
        # The handshake may keep every other thread from running: let the agent hear of it first.
        self._status.wait_until_told(_TELL_S)
        mux = self._open_mux(start.keyframe)
        self._published_since_s = None
        self._handed.clear()
        failure: StreamTargetError | None = None
        following: _Start | None = None
        try:
            self._status.enter("handshake", self._monotonic())
            mux.connect()
            following = self._publish(mux, start)
        except StreamTargetError as error:
            failure = error
        self._status.enter("write", self._monotonic())
        mux.close()
        self._status.enter("idle", self._monotonic())
        if self._published_since_s is not None:
            self._retry.session_ended(self._monotonic() - self._published_since_s)
        if failure is not None:
            self._wait_after(failure)
        return following

    def _publish(self, mux: Mux, start: _Start) -> _Start | None:
        keyframe, lendable = start.keyframe, mux.lendable
        while True:
            self._last_message_s = self._monotonic()
            self._write(mux, keyframe, self._last_message_s)
            goes_on = True
            try:
                return self._pass_on(mux, start) if lendable is None else self._lend(lendable)
            except ProcessError as error:
                logger.info("%s", error)
                if lendable is not None:
                    goes_on = lendable.take_back(self._progress)
            back = self._await_start(give_up_s=_RETURN_S)
            if back is None or not goes_on or not back.continues(start):
                self._note_end_of_packets(back)
                return back
            keyframe = back.keyframe

    def _pass_on(self, mux: Mux, start: _Start) -> _Start | None:
        """Write what comes from the camera. Raises ProcessError where the camera is gone."""
        self._source.say(GoOn())
        while not self._stop.is_set():
            message = self._source.read()
            if isinstance(message, PacketMessage):
                self._last_message_s = now_s = self._monotonic()
                self._write(mux, message, now_s)
            elif isinstance(message, StreamFormat):
                if message != start.stream_format:
                    self._format = message
                    return None
            elif self._is_silent():
                return None
        return None

    def _lend(self, mux: Lendable) -> _Start | None:
        """Let the camera write, ask it how that goes, and hear the server. Raises ProcessError as above."""
        source, status = self._source, self._status
        self._progress = None
        source.say(mux.terms())
        mux.lend(source.say)
        status.lent()
        ask_at_s, told_s = 0.0, self._monotonic()
        while not self._stop.is_set():
            now_s = self._monotonic()
            if now_s >= ask_at_s:
                source.say(Ask())
                # Just before the beat, which is on the whole seconds, and no older than need be.
                ask_at_s = math.floor(now_s + _AHEAD_S) + 1 - _AHEAD_S
            ends = [source.fileno(), mux.fileno()]
            wait_s = 0.0 if source.pending else min(_LOOK_S, ask_at_s - now_s)
            readable, _, _ = select.select(ends, [], [], wait_s)
            now_s, heard = self._monotonic(), ends[1] in readable
            # A camera that answers no more asks the server nothing either, whose silence means nothing then.
            if heard or now_s - told_s < _ANSWERS_S:
                self._attend(mux, now_s, heard=heard)
            message = source.read() if source.pending or ends[0] in readable else None
            if isinstance(message, Progress):
                self._progress, told_s = message, now_s
                status.progressed(message)
                self._last_message_s = max(self._last_message_s, message.last_s or 0.0)
            elif isinstance(message, Lost):
                raise mux.broke(message.errno)
            elif isinstance(message, StreamFormat):
                # Whatever it says, the camera has let go of the connection, at a packet's end.
                mux.end_loan()
                self._format = message
                return None
            elif self._is_silent():
                mux.take_back(self._progress)
                return None
        return None

    def _attend(self, mux: Lendable, now_s: float, *, heard: bool) -> None:
        try:
            mux.attend(now_s, heard=heard)
        except StreamTargetError as error:
            lost = self._await_lost() if error.second_hand else None
            if lost is None:
                raise
            raise mux.broke(lost.errno) from error

    def _await_lost(self) -> Lost | None:
        """Return what the camera met at the lent connection's end, None where it does not say so in time."""
        give_up_s = self._monotonic() + _LOST_S
        try:
            while self._monotonic() < give_up_s:
                message = self._source.read()
                if isinstance(message, Lost):
                    return message
                if isinstance(message, Progress):
                    self._status.progressed(message)
        except ProcessError as error:
            logger.info("%s", error)
        return None

    def _is_silent(self) -> bool:
        if self._monotonic() - self._last_message_s < _SILENCE_S:
            return False
        # Connecting anew makes the camera send a keyframe as soon as it is back.
        self._source.close()
        self._note_end_of_packets(None)
        return True

    def _write(self, mux: Mux, packet: PacketMessage, now_s: float) -> None:
        status = self._status
        if self._published_since_s is not None:
            status.enter("write", now_s)
            mux.write(packet, now_s=now_s)
            status.wrote(len(packet.data), keyframe=packet.keyframe, pts_us=packet.pts_us)
            return
        status.enter("write" if mux.established else "handshake", now_s)
        mux.write(packet, now_s=now_s)
        self._handed.append(packet.kept())
        if mux.established:
            self._note_success()

    def _note_success(self) -> None:
        self._published_since_s = self._monotonic()
        for out in self._handed:
            self._status.wrote(len(out.data), keyframe=out.keyframe, pts_us=out.pts_us)
        self._handed.clear()
        self._status.succeeded()
        if self._complained:
            logger.info("the stream is published again")
            self._complained = False

    def _note_end_of_packets(self, following: _Start | None) -> None:
        if following is None and not self._stop.is_set():
            self._say_waiting()

    def _say_waiting(self) -> None:
        silent_s = self._monotonic() - self._last_message_s
        if self._source.connected and silent_s < _PATIENCE_S:
            self._status.change("waiting", reason="no keyframe from the camera yet")
        else:
            self._status.change("waiting", reason=f"no packets from the camera for {silent_s:.0f} s")

    def _wait_after(self, failure: StreamTargetError) -> None:
        """Let the camera go while there is nowhere to send to: connecting anew brings a keyframe."""
        self._source.close()
        self._status.change("failed", reason=failure.message, code=failure.stream_code)
        if not self._complained:
            logger.warning("the stream is not published: %s", failure.message)
            self._complained = True
        self._stop.wait(self._retry.delay_s(failure.stream_code))
