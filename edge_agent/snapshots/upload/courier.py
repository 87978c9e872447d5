"""Brings the pictures of the lanes to their servers: workers take them, and what came of it is acted on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final, Protocol

from edge_agent.clock import Clock
from edge_agent.snapshots.upload.answers import Verdict
from edge_agent.snapshots.upload.config import UploadConfig
from edge_agent.snapshots.upload.lanes import Entry, Lane, Lanes, full_jitter
from edge_agent.snapshots.upload.mailbox import Mailbox, all_ended
from edge_agent.snapshots.upload.sender import Sender

__all__ = ["Courier", "Customer"]

logger = logging.getLogger(__name__)

_WATCH_S: Final = 0.5
_STOP_S: Final = 2.0


class Customer(Protocol):
    """Who is told what became of a picture, on the event loop."""

    def confirmed(self, entry: Entry, verdict: Verdict) -> None:
        """The server has it."""

    def failed(self, verdict: Verdict) -> None:
        """One stays, and is tried again."""

    def given_up(self, entry: Entry, verdict: Verdict) -> None:
        """It is not tried again by itself."""

    def lanes_changed(self) -> None:
        """A server came or went."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """One entry's turn. `began_with`: how often its server had failed before."""

    lane: Lane
    entry: Entry
    doubtful: bool
    began_with: int


class Courier:
    """Owns a thread for each sender. They take from the lanes by themselves, and the loop hears of it.

    So the next picture goes without a word from the loop, which costs more than a small picture's sending.
    What is in the lanes and on its way is for who holds the lock.
    """

    def __init__(
        self,
        *,
        config: UploadConfig,
        lanes: Lanes,
        new_sender: Callable[[], Sender],
        customer: Customer,
        clock: Clock,
        random: Random,
    ) -> None:
        self._config = config
        self._lanes = lanes
        self._customer = customer
        self._clock = clock
        self._random = random
        self._senders = [new_sender() for _ in range(config.concurrency)]
        self._threads = [
            threading.Thread(target=self._work, args=(sender,), name=f"upload-{number}", daemon=True)
            for number, sender in enumerate(self._senders)
        ]
        self._may_go = threading.Condition()
        self._sending: dict[str, Entry] = {}
        self._is_running = False
        self._busy = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._timer_at_s: float | None = None
        self._deals_soon = False

    def start(self) -> None:
        """Begin, with what is in the lanes by now."""
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox()
        self._is_running = True
        for thread in self._threads:
            thread.start()
        self._watching = asyncio.create_task(self._watch(), name="upload-watch")
        self._deal()

    async def stop(self) -> None:
        """End within a bounded time; what is under way is broken off, and asked for at the next start."""
        if not self._is_running:
            return
        with self._may_go:
            self._is_running = False
            self._may_go.notify_all()
        for task in (self._watching, self._timer):
            if task is not None:
                task.cancel()
        for sender in self._senders:
            sender.lifeline.stop()
        if await all_ended(self._threads, _STOP_S):
            for sender in self._senders:
                sender.close()
        else:
            logger.warning("An upload does not end: its thread is left behind")
        self._mailbox.empty()

    def put(self, entry: Entry) -> None:
        """Let an upload wait for its turn."""
        with self._may_go:
            self._lanes.lane(entry.origin).put(entry)
        self._deal_soon()

    def under_way(self) -> list[Entry]:
        """Return what is being sent."""
        with self._may_go:
            return list(self._sending.values())

    def waiting(self) -> int:
        """Return how many wait for their turn."""
        with self._may_go:
            return len(self._lanes)

    def oldest(self) -> str | None:
        """Return the time of the oldest picture that waits for its turn."""
        with self._may_go:
            return self._lanes.oldest()

    def trouble(self, *, failures: int = 1) -> str | None:
        """Return why pictures wait for a server that failed so often in a row; None where none do."""
        with self._may_go:
            return self._lanes.trouble(failures=failures)

    def _deal_soon(self) -> None:
        if self._is_running and not self._deals_soon:
            self._deals_soon = True
            self._loop.call_soon(self._deal)

    def _deal(self) -> None:
        """Wake those who may take something now, or see to it that somebody does when the time comes."""
        self._deals_soon = False
        if not self._is_running:
            return
        with self._may_go:
            at_s = self._lanes.next_s()
            if at_s is not None and at_s <= self._clock.monotonic():
                # Who is not waiting looks for itself.
                self._may_go.notify(len(self._lanes))
                at_s = None
        self._customer.lanes_changed()
        self._deal_at(at_s)

    def _deal_at(self, at_s: float | None) -> None:
        if at_s == self._timer_at_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s, self._timer = at_s, None
        if at_s is not None:
            self._timer = asyncio.create_task(self._deal_later(at_s), name="upload-timer")

    async def _deal_later(self, at_s: float) -> None:
        while (rest_s := at_s - self._clock.monotonic()) > 0:
            await self._clock.sleep(rest_s)
        self._timer_at_s, self._timer = None, None
        self._deal()

    async def _watch(self) -> None:
        """End attempts whose time is up, as only somebody else can."""
        while True:
            await self._busy.wait()
            await self._clock.sleep(_WATCH_S)
            for sender in self._senders:
                sender.lifeline.cut_if_overdue()
            with self._may_go:
                if not self._sending:
                    self._busy.clear()

    def _work(self, sender: Sender) -> None:
        """Send one after the other until it is over; a thread."""
        while (turn := self._next_turn()) is not None:
            entry = turn.entry
            try:
                verdict = sender.send(entry.ticket, doubtful=turn.doubtful)
            except BaseException as error:
                # A fault of ours at one picture must not stop the others.
                logger.exception("The upload %s failed in a way that nobody foresaw", entry.ticket)
                verdict = Verdict(
                    kind="parked", code="internal", message=f"{type(error).__name__}: see the log"
                )
            self._sent(turn, verdict)

    def _next_turn(self) -> _Turn | None:
        """Wait for something that may go; None where nothing goes any more."""
        with self._may_go:
            while self._is_running:
                found = self._lanes.take(self._clock.monotonic())
                if found is None:
                    # Somebody has to see to it when the time of what is left comes.
                    self._mailbox.post(self._deal_soon)
                    self._may_go.wait()
                    continue
                lane, entry = found
                if not self._sending:
                    self._mailbox.post(self._busy.set)
                self._sending[entry.ticket] = entry
                return _Turn(lane, entry, entry.doubtful, lane.failures)
        return None

    def _sent(self, turn: _Turn, verdict: Verdict) -> None:
        with self._may_go:
            del self._sending[turn.entry.ticket]
            turn.lane.ended()
            if not self._is_running and verdict.kind == "again":
                turn.lane.put(turn.entry)
                return
            # At once: it decides on what goes next.
            told = self._act(turn.lane, turn.entry, verdict, turn.began_with)
        self._mailbox.post(told)
        self._mailbox.post(self._deal_soon)

    def _act(self, lane: Lane, entry: Entry, verdict: Verdict, began_with: int) -> Callable[[], None]:
        """Do what a verdict means for an entry and its lane; return what the customer is to hear."""
        if verdict.kind == "done":
            lane.answered()
            entry.state = "confirmed"
            return partial(self._customer.confirmed, entry, verdict)
        if verdict.kind != "again":
            if verdict.status is not None:
                lane.answered()
            entry.state = "changing"
            return partial(self._customer.given_up, entry, verdict)
        entry.doubtful = verdict.doubtful
        now_s = self._clock.monotonic()
        lane.failed(now_s, began_with=began_with, retry_after_s=verdict.retry_after_s, why=verdict.message)
        entry.attempts += verdict.counted
        limit = self._config.max_attempts
        if limit is not None and entry.attempts >= limit:
            entry.state = "changing"
            message = f"given up after {entry.attempts} attempts (upload.max_attempts): {verdict.message}"
            gave_up = Verdict(kind="parked", code="gave_up", message=message)
            return partial(self._customer.given_up, entry, gave_up)
        not_before_s = None
        if verdict.counted:
            not_before_s = now_s + full_jitter(
                random=self._random,
                base_s=self._config.retry_base_s,
                cap_s=self._config.retry_cap_s,
                failures=entry.attempts,
            )
        lane.put(entry, not_before_s=not_before_s)
        return partial(self._customer.failed, verdict)
