"""The upload spool's public face: what is added is on disk, and goes to its server, once, whatever happens.

    async with Uploads(config=..., directory=state_dir / "spool", ...) as uploads:
        ticket = await uploads.add(picture, content)

A picture and its record are on disk for good before `add` returns. They stay until a server has confirmed
the picture, or somebody drops it. What a kill or a power cut interrupts is asked for (HEAD) at the next
start before it is sent again, and is sent again under the same idempotency key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.events import Events
from edge_agent.errors import RefusedError, StorageError
from edge_agent.health.problems import Problems
from edge_agent.snapshots.picture import Picture
from edge_agent.snapshots.upload.addressing import Addressing, Destination
from edge_agent.snapshots.upload.answers import Verdict
from edge_agent.snapshots.upload.config import UploadConfig
from edge_agent.snapshots.upload.courier import Courier
from edge_agent.snapshots.upload.fresh import Freshest
from edge_agent.snapshots.upload.keeper import Keeper
from edge_agent.snapshots.upload.lanes import Entry, Lanes
from edge_agent.snapshots.upload.record import Parked, Record, ticket_of
from edge_agent.snapshots.upload.report import FAILURES, Report
from edge_agent.snapshots.upload.sender import Sender
from edge_agent.snapshots.upload.spool import Spool
from edge_agent.snapshots.upload.status import UploadStatus
from edge_agent.snapshots.upload.target import shown_url
from edge_agent.snapshots.upload.throttle import Throttle

__all__ = ["Uploads"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_BYTES_PER_KBIT: Final = 125
_DISK_STOP_S: Final = 5.0
_DISK_RETRY_S: Final = 10.0
# Where they come fast, several share a wait for the disk. Their records are gone already.
_SETTLE_S: Final = 0.02
# So many are dealt with before others have their turn.
_AT_ONCE: Final = 20


class Uploads:
    """The spool and those who empty it. `store` is the one directory that pictures are linked from."""

    def __init__(
        self,
        *,
        config: UploadConfig,
        directory: Path,
        node: str,
        clock: Clock,
        random: Random,
        events: Events,
        problems: Problems,
        status_changed: Callable[[], None],
        store: Path | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._directory = directory
        self._addressing = Addressing(
            url=config.url, node=node, allow=config.allow, allow_private=config.allow_private
        )
        self._report = Report(clock=clock, events=events, problems=problems, status_changed=status_changed)
        lanes = Lanes(
            newest_first=config.order == "newest",
            base_s=config.retry_base_s,
            cap_s=config.retry_cap_s,
            random=random,
        )
        spool = Spool(directory=directory, store=store)
        self._keeper = Keeper(spool=spool, limit_mb=config.limit_mb, min_free_mb=config.min_free_mb)
        self._freshest = Freshest(monotonic=clock.monotonic)
        throttle = None
        if config.bandwidth_kbps is not None:
            bytes_per_s = config.bandwidth_kbps * _BYTES_PER_KBIT
            throttle = Throttle(bytes_per_s=bytes_per_s, monotonic=clock.monotonic)
        new_sender = partial(
            Sender,
            config=config,
            spool=spool,
            addressing=self._addressing,
            freshest=self._freshest,
            throttle=throttle,
            now=clock.now,
            monotonic=clock.monotonic,
        )
        self._courier = Courier(
            config=config, lanes=lanes, new_sender=new_sender, customer=self, clock=clock, random=random
        )
        self._adding: dict[str, asyncio.Future[str]] = {}
        self._confirmed: deque[tuple[Entry, Verdict]] = deque()
        self._settling: asyncio.Task[None] | None = None
        self._owned: set[asyncio.Task[Any]] = set()
        self._refusals = 0
        self._is_open = False

    @property
    def configured(self) -> bool:
        """Whether there is a place for pictures that name none."""
        return self._config.url is not None

    async def __aenter__(self) -> Self:
        self._keeper.start()
        try:
            found = await self._keeper.open()
        except StorageError as error:
            # Nothing of the agent fails for it, and what is there stays.
            self._report.unusable = error.message
            self._report.problem("upload_spool_unusable", error.message)
            return self
        for ticket in found.damaged:
            self._report.found_damaged(ticket)
        self._report.damaged = found.aside
        self._tell_damaged()
        for number, record in enumerate(found.records):
            # Whether it was on its way when the last run ended, nobody knows: so its server is asked.
            self._enter(record, origin=self._origin(record), doubtful=True)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        self._tell_parked()
        self._is_open = True
        self._courier.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        await self._courier.stop()
        if unfinished := {*self._owned, *self._adding.values()}:
            await asyncio.wait(unfinished, timeout=_DISK_STOP_S)
        for task in self._owned:
            task.cancel()
        if not await self._keeper.stop(_DISK_STOP_S):
            logger.warning("The disk of the upload spool does not answer")

    async def add(self, picture: Picture, content: bytes | Path, *, url: str | None = None) -> str:
        """Take a picture on and return its ticket; it is on disk for good then.

        `content` as a path is linked where it can be, so that the store may delete its own. The same picture
        to the same place is the same upload, also while it waits. Raises RefusedError where it must not go
        there, StorageError where there is no room (`spool_full`, `disk_full`) or no disk.
        """
        self._must_be_open()
        destination = self._addressing.destination(picture, url)
        if picture.size_bytes < 1 or (isinstance(content, bytes) and len(content) != picture.size_bytes):
            raise RefusedError(
                f"the picture {picture.id} is said to have {picture.size_bytes} bytes, which it has not",
                field="content",
            )
        ticket = ticket_of(picture, url)
        known = self._keeper.find(ticket)
        if known is not None:
            if known.state == "parked":
                await self.retry(ticket)
            return ticket
        if ticket not in self._adding:
            record = Record(ticket=ticket, picture=picture, url=url, added=self._now())
            self._begin(record, content, destination)
        # A caller that is cancelled leaves no upload behind that nobody knows of.
        return await asyncio.shield(self._adding[ticket])

    async def retry(self, ticket: str | None = None) -> int:
        """Try a parked upload again, or with None all of them; return how many."""
        self._must_be_open()
        entries = [self._keeper.parked(ticket)] if ticket is not None else self._keeper.all_parked()
        for entry in entries:
            self._keeper.unpark(entry)
        await asyncio.shield(self._own(self._unpark(entries)))
        return len(entries)

    async def drop(self, ticket: str) -> None:
        """Forget a parked upload and its picture in the spool."""
        self._must_be_open()
        entry = self._keeper.parked(ticket)
        self._keeper.unpark(entry)
        await asyncio.shield(self._own(self._drop(entry)))

    def status(self) -> UploadStatus:
        """Return `status.upload`."""
        report, trouble = self._report, self._courier.trouble()
        sending, parked = self._courier.under_way(), self._keeper.all_parked()
        times = [self._courier.oldest(), *(entry.time for entry in (*sending, *parked))]
        return UploadStatus(
            state=self._state(trouble),
            reason=report.unusable or trouble,
            url=None if self._config.url is None else shown_url(self._config.url),
            waiting=self._courier.waiting(),
            uploading=len(sending),
            parked=len(parked),
            damaged=report.damaged,
            oldest=min((time for time in times if time is not None), default=None),
            bytes=self._keeper.size_bytes,
            uploaded=report.uploaded,
            last_success=report.last_success,
            last_error=report.last_error,
        )

    def confirmed(self, entry: Entry, verdict: Verdict) -> None:
        """Clear away what the server has; of the courier. Several at once, where they come fast."""
        self._confirmed.append((entry, verdict))
        if self._settling is None or self._settling.done():
            self._settling = self._own(self._settle())

    def failed(self, verdict: Verdict) -> None:
        """Note that one is tried again; of the courier."""
        self._report.failed(verdict)

    def given_up(self, entry: Entry, verdict: Verdict) -> None:
        """Park it, or set it aside where the disk has damaged it; of the courier."""
        self._own(
            self._set_aside(entry, verdict) if verdict.kind == "damaged" else self._park(entry, verdict)
        )

    def lanes_changed(self) -> None:
        """Tell whether a server keeps failing; of the courier."""
        self._report.failing(self._courier.trouble(failures=FAILURES))

    def _begin(self, record: Record, content: bytes | Path, destination: Destination) -> None:
        taken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        refusals = self._refusals

        def ended(error: BaseException | None) -> None:
            del self._adding[record.ticket]
            if error is None:
                if refusals == self._refusals:
                    self._report.problem("upload_spool_full", None)
                at_hand = content if isinstance(content, bytes) else None
                self._freshest.put(record, destination, at_hand)
                self._enter(record, origin=destination.target.origin, doubtful=False)
                taken.set_result(record.ticket)
                return
            if isinstance(error, StorageError) and error.code == "disk_full":
                self._tell_full(error)
            taken.set_exception(error)
            # Whoever asked may be gone.
            taken.exception()

        try:
            self._keeper.keep(record, content, ended)
        except StorageError as error:
            self._tell_full(error)
            raise
        self._adding[record.ticket] = taken

    def _origin(self, record: Record) -> str:
        try:
            return self._addressing.destination(record.picture, record.url).target.origin
        except RefusedError:
            # Allowed when it was added, not so any more: it is parked when its turn comes.
            return ""

    def _enter(self, record: Record, *, origin: str, doubtful: bool) -> None:
        entry = self._keeper.enter(record, origin=origin, doubtful=doubtful)
        if entry.state == "waiting":
            self._courier.put(entry)
        self._report.changed()

    async def _settle(self) -> None:
        while self._confirmed:
            batch = list(self._confirmed)
            self._confirmed.clear()
            try:
                await self._keeper.remove(entry for entry, _ in batch)
            except StorageError as error:
                # They are not sent again in this run, and asked for in the next.
                self._confirmed.extendleft(reversed(batch))
                self._report.problem("upload_spool_unusable", error.message)
                await self._clock.sleep(_DISK_RETRY_S)
                continue
            self._report.problem("upload_spool_unusable", None)
            for entry, verdict in batch:
                self._report.done(entry, verdict)
            if self._confirmed:
                await self._clock.sleep(_SETTLE_S)

    async def _park(self, entry: Entry, verdict: Verdict) -> None:
        parked = Parked(code=verdict.code, message=verdict.message, time=self._now())
        try:
            await self._keeper.rewrite([entry], parked)
        except StorageError as error:
            # It is parked all the same; a restart would try it once more.
            logger.warning("That %s is parked is not written down: %s", entry.ticket, error.message)
        self._keeper.park(entry)
        self._report.parked(entry, verdict)
        self._tell_parked()

    async def _unpark(self, entries: list[Entry]) -> None:
        while entries:
            some, entries = entries[:_AT_ONCE], entries[_AT_ONCE:]
            try:
                await self._keeper.rewrite(some, None)
            except StorageError:
                for entry in (*some, *entries):
                    self._keeper.park(entry)
                raise
            for entry in some:
                entry.attempts = 0
                self._courier.put(entry)
            self._tell_parked()

    async def _drop(self, entry: Entry) -> None:
        try:
            await self._keeper.remove([entry])
        except StorageError:
            self._keeper.park(entry)
            raise
        self._tell_parked()

    async def _set_aside(self, entry: Entry, verdict: Verdict) -> None:
        await self._keeper.set_aside(entry)
        self._report.set_aside(entry, verdict)
        self._tell_damaged()

    def _now(self) -> str:
        return rfc3339(self._clock.now())

    def _must_be_open(self) -> None:
        if not self._is_open:
            why = self._report.unusable or "the agent stops"
            raise StorageError(f"the upload spool takes nothing: {why}", code="spool_unusable")

    def _tell_full(self, error: StorageError) -> None:
        self._refusals += 1
        self._report.problem("upload_spool_full", error.message)

    def _tell_parked(self) -> None:
        count = len(self._keeper.all_parked())
        self._report.problem(
            "upload_parked",
            f"{count} uploads are parked, see event/upload: mend the cause, then retry or drop them"
            if count
            else None,
        )

    def _tell_damaged(self) -> None:
        count = self._report.damaged
        self._report.problem(
            "upload_damaged",
            f"{count} damaged uploads lie in {self._directory / 'damaged'}: look at them, then remove them"
            if count
            else None,
        )

    def _state(self, trouble: str | None) -> Literal["off", "idle", "uploading", "backing_off", "failed"]:
        if self._report.unusable is not None:
            return "failed"
        if not (self.configured or self._config.allow or len(self._keeper)):
            return "off"
        if trouble is not None:
            return "backing_off"
        return "uploading" if self._courier.under_way() else "idle"

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name="upload-spool")
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        return task
