"""Brings the pictures of the lanes to their servers: hands them to workers, and acts on the verdicts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final, Protocol

from edge_agent.clock import Clock
from edge_agent.snapshots.upload.answers import Verdict
from edge_agent.snapshots.upload.config import UploadConfig
from edge_agent.snapshots.upload.lanes import Entry, Lane, Lanes, full_jitter
from edge_agent.snapshots.upload.sender import Sender
from edge_agent.snapshots.upload.threads import Threads

__all__ = ["Courier", "Customer"]

logger = logging.getLogger(__name__)

_WATCH_S: Final = 0.5
_STOP_S: Final = 2.0


class Customer(Protocol):
    """Who is told what became of a picture."""

    def confirmed(self, entry: Entry, verdict: Verdict) -> None:
        """The server has it."""

    def failed(self, verdict: Verdict) -> None:
        """One stays, and is tried again."""

    def given_up(self, entry: Entry, verdict: Verdict) -> None:
        """It is not tried again by itself."""

    def lanes_changed(self) -> None:
        """A server came or went."""


class Courier:
    """Owns a thread for each of `senders`, and the order of things between them."""

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
        self._free = list(self._senders)
        self._sending: dict[str, Entry] = {}
        self._threads = Threads(name="upload", count=config.concurrency)
        self._busy = asyncio.Event()
        self._all_free = asyncio.Event()
        self._all_free.set()
        self._watching: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._timer_at_s: float | None = None
        self._is_stopped = False

    @property
    def under_way(self) -> list[Entry]:
        """What is being sent."""
        return list(self._sending.values())

    def start(self) -> None:
        """Begin."""
        self._threads.start()
        self._watching = asyncio.create_task(self._watch(), name="upload-watch")

    async def stop(self) -> None:
        """End within a bounded time; what is under way is broken off, and asked for at the next start."""
        self._is_stopped = True
        for task in (self._watching, self._timer):
            if task is not None:
                task.cancel()
        for sender in self._senders:
            sender.lifeline.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_free.wait(), _STOP_S)
        if await self._threads.stop(_STOP_S):
            for sender in self._senders:
                sender.close()
        else:
            logger.warning("An upload does not end: its thread is left behind")

    def deal(self) -> None:
        """Hand out what may go now; to be called whenever something has come into a lane."""
        if self._is_stopped:
            return
        now_s = self._clock.monotonic()
        while self._free and (found := self._lanes.take(now_s)) is not None:
            lane, entry = found
            fresh, entry.fresh = entry.fresh, None
            if fresh is not None and now_s > fresh.until_s:
                fresh = None
            sender = self._free.pop()
            self._sending[entry.ticket] = entry
            self._all_free.clear()
            self._busy.set()
            self._threads.call(
                partial(sender.send, entry.ticket, fresh=fresh, doubtful=entry.doubtful),
                partial(self._sent, lane, entry, sender, lane.failures),
            )
        self._customer.lanes_changed()
        self._deal_at(self._lanes.next_s() if self._free else None)

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
        self.deal()

    async def _watch(self) -> None:
        """End attempts whose time is up, as only somebody else can."""
        while True:
            await self._busy.wait()
            await self._clock.sleep(_WATCH_S)
            for sender in self._senders:
                sender.lifeline.cut_if_overdue()
            if not self._sending:
                self._busy.clear()

    def _sent(
        self,
        lane: Lane,
        entry: Entry,
        sender: Sender,
        began_with: int,
        verdict: Verdict | None,
        error: BaseException | None,
    ) -> None:
        self._free.append(sender)
        del self._sending[entry.ticket]
        if not self._sending:
            self._all_free.set()
        lane.ended()
        if verdict is None:
            # A fault of ours at one picture must not stop the others.
            logger.error("The upload %s failed in a way that nobody foresaw", entry.ticket, exc_info=error)
            verdict = Verdict(kind="parked", code="internal", message=f"{type(error).__name__}: see the log")
        if self._is_stopped and verdict.kind == "again":
            lane.put(entry)
            return
        self._act(lane, entry, verdict, began_with)
        self.deal()

    def _act(self, lane: Lane, entry: Entry, verdict: Verdict, began_with: int) -> None:
        if verdict.kind == "done":
            lane.answered()
            entry.state = "confirmed"
            self._customer.confirmed(entry, verdict)
            return
        if verdict.kind != "again":
            if verdict.status is not None:
                lane.answered()
            entry.state = "changing"
            self._customer.given_up(entry, verdict)
            return
        entry.doubtful = verdict.doubtful
        now_s = self._clock.monotonic()
        lane.failed(now_s, began_with=began_with, retry_after_s=verdict.retry_after_s, why=verdict.message)
        entry.attempts += verdict.counted
        limit = self._config.max_attempts
        if limit is not None and entry.attempts >= limit:
            entry.state = "changing"
            message = f"given up after {entry.attempts} attempts (upload.max_attempts): {verdict.message}"
            self._customer.given_up(entry, Verdict(kind="parked", code="gave_up", message=message))
            return
        not_before_s = None
        if verdict.counted:
            not_before_s = now_s + full_jitter(
                random=self._random,
                base_s=self._config.retry_base_s,
                cap_s=self._config.retry_cap_s,
                failures=entry.attempts,
            )
        lane.put(entry, not_before_s=not_before_s)
        self._customer.failed(verdict)
