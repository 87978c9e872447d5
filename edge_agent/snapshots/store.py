"""The store as the event loop has it: one thread does the work, in turn, and every wait for it is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.clock import Clock
from edge_agent.errors import RefusedError, StorageError
from edge_agent.saving import RETRY_EVERY_S
from edge_agent.snapshots.files import PictureFiles, day_of
from edge_agent.snapshots.index import DAMAGED, Index, Query
from edge_agent.snapshots.limits import Limits, SteadyClock
from edge_agent.snapshots.picture import Picture, id_prefix
from edge_agent.snapshots.shelf import Deleted, Shelf

__all__ = ["Store", "StoreFacts"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

StoreState = Literal["starting", "checking", "ready", "full", "failed"]

_UPKEEP_S: Final = 60.0
_MAX_WAITING: Final = 64
_OPEN_TIMEOUT_S: Final = 5.0
_CLOSE_TIMEOUT_S: Final = 5.0
_LOG_EVERY: Final = 10_000


class StoreFacts(BaseModel):
    """`status.snapshot.store`. While it is `checking`, pictures may be there that it does not know yet."""

    model_config = ConfigDict(frozen=True)

    state: StoreState = Field(
        "starting", description="checking: pictures may be there that it does not know yet"
    )
    reason: str | None = Field(None, description="Why it is not ready, in words")
    count: int | None = Field(None, description="Pictures that are kept")
    size_bytes: int | None = Field(None, description="Of all that is kept")
    oldest: str | None = Field(None, description="When the oldest was taken")
    newest: str | None = Field(None, description="When the newest was taken")
    locked: int | None = Field(None, description="Pictures that are never removed by themselves")
    free_bytes: int | None = Field(None, description="What the disk still takes")


class Store:
    """Pictures on the disk. Everything raises StorageError where the disk refuses, and `busy`.

    `changed` is called when the facts are others. A store that cannot be opened is `failed`, says why, and
    tries again every ten seconds; the agent lives on without it.
    """

    def __init__(
        self,
        *,
        directory: Path,
        index_path: Path,
        limits: Limits,
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._shelf = Shelf(
            files=PictureFiles(directory=directory), index=Index(path=index_path), limits=limits
        )
        self._directory = directory
        self._keep_s = limits.keep_s
        self._clock = clock
        self._steady = SteadyClock(clock)
        self._changed = changed
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")
        self._waiting = 0
        self._opened = False
        self._unchecked: list[str] = []
        self._refused: RefusedError | None = None
        self._refused_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._damaged = asyncio.Event()
        self.facts = StoreFacts()

    # ---- life

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._live(), name="pictures")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                await self._tried.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self._shelf.close)
        _, late = await asyncio.wait({closing}, timeout=_CLOSE_TIMEOUT_S)
        if late:
            logger.warning("The disk did not let the store of pictures close in time")
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _live(self) -> None:
        while True:
            try:
                await self._upkeep()
            except StorageError as error:
                self._failed(error)
            except Exception as error:
                logger.exception("The upkeep of the pictures failed")
                self._set(state="failed", reason=f"an unexpected fault, see the log: {error!r}")
            self._tried.set()
            await self._pause()

    async def _pause(self) -> None:
        """Wait for the next upkeep, or until there is something to mend."""
        wait_s = _UPKEEP_S if self.problem is None else RETRY_EVERY_S
        sleeping = asyncio.ensure_future(self._clock.sleep(wait_s))
        waking = asyncio.ensure_future(self._damaged.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
        self._damaged.clear()

    # ---- what can be asked of it

    async def add(self, picture: Picture, content: bytes) -> Deleted:
        """Store a picture: it is on the disk when this returns. Return what was deleted to make room.

        Raises RefusedError `store_full`, `disk_full` (the old ones are kept), `picture_exists`, StorageError.
        """
        try:
            deleted = await self._do(self._shelf.add, picture, content)
        except RefusedError as error:
            if error.code in ("store_full", "disk_full"):
                self._full(error, len(content))
            raise
        except StorageError as error:
            if error.code == "disk_full":
                self._full(RefusedError(error.message, code=error.code), len(content))
            raise
        self._refused = None
        await self._look()
        return deleted

    async def newest(self, query: Query, *, limit: int) -> list[Picture]:
        """Return pictures, the newest first."""
        return await self._do(partial(self._shelf.newest, limit=limit), query)

    async def find(self, id_: str) -> Picture:
        """Return a picture by its id or as `latest`. Raises RefusedError `unknown_picture`."""
        if id_ != "latest":
            return await self._do(self._shelf.find, id_)
        found = await self.newest(Query(), limit=1)
        if not found:
            raise RefusedError(
                "there is no picture in the store yet", code="unknown_picture", field="picture"
            )
        return found[0]

    async def open_picture(self, id_: str) -> tuple[Picture, int]:
        """Return a picture and the descriptor of its file, which is the caller's to close.

        What is read from it is whole, also where the picture is deleted meanwhile.
        """
        return await self._do(self._shelf.open_picture, id_, unless_taken=lambda found: os.close(found[1]))

    def path_of(self, picture: Picture) -> Path:
        """Return where a picture's file is."""
        return self._directory / day_of(picture.id) / picture.file_name

    async def lock(self, ids: Sequence[str], *, locked: bool) -> list[str]:
        """Lock pictures, or unlock them; return those that were not so before."""
        changed = await self._do(partial(self._shelf.lock, locked=locked), ids)
        await self._look()
        return changed

    async def delete(self, ids: Sequence[str], *, force: bool = False, dry_run: bool = False) -> Deleted:
        """Delete all of these or none. Raises RefusedError `unknown_picture`, `locked` without `force`."""
        deleted = await self._do(partial(self._shelf.delete, force=force, dry_run=dry_run), ids)
        await self._look()
        return deleted

    async def count_before(self, bound: str) -> tuple[int, int]:
        """Return how many pictures are below an id, and how many of these are locked."""
        return await self._do(self._shelf.count_before, bound)

    async def delete_before(
        self, bound: str, *, locked_too: bool = False, progress: Callable[[int], None] = lambda _count: None
    ) -> Deleted:
        """Delete all pictures below an id, but for the locked ones; `progress` is told how many are gone."""
        total = Deleted()
        delete = partial(self._shelf.delete_before, locked_too=locked_too)
        while (slice_ := await self._do(delete, bound)).count:
            total += slice_
            progress(total.count)
        await self._look()
        return total

    async def thumbnail(self, id_: str) -> bytes | None:
        """Return the thumbnail that is kept beside a picture."""
        return await self._do(self._shelf.thumbnail, id_)

    async def keep_thumbnail(self, id_: str, content: bytes) -> None:
        """Keep a thumbnail beside its picture. Raises RefusedError where there is no room for it."""
        await self._do(self._shelf.keep_thumbnail, id_, content)

    # ---- upkeep

    async def _upkeep(self) -> None:
        if not self._opened:
            await self._open()
        await self._check()
        cutoff = self._steady.cutoff(self._keep_s)
        if cutoff is not None:
            aged = await self.delete_before(id_prefix(cutoff))
            if aged.count:
                logger.info("%d pictures were deleted for their age", aged.count)
        while (deleted := await self._do(self._shelf.enforce)).count:
            logger.info("%d pictures were deleted: the store is over its limits", deleted.count)
        if self._refused is not None:
            self._refused = await self._do(self._shelf.refusal, self._refused_bytes)
        await self._look()

    async def _open(self) -> None:
        """Open it; an index that is damaged is made anew from the files."""
        try:
            await self._turn(self._shelf.open)
        except StorageError as error:
            if error.code != DAMAGED:
                raise
            logger.warning("%s; it is made anew from the pictures", error.message)
            await self._turn(self._shelf.discard_index)
        self._opened = True
        self._unchecked = await self._do(self._shelf.days)
        self._set(state="checking", reason="the index is compared with the files")
        self._tried.set()

    async def _check(self) -> None:
        """Compare index and files, day by day; other work goes on between the slices."""
        looked_at, told, failures = 0, 0, []
        days, self._unchecked = self._unchecked, []
        for day in days:
            slices = self._shelf.compare(day)
            try:
                while (count := await self._do(next, slices, None)) is not None:
                    looked_at += count
                    if looked_at - told >= _LOG_EVERY:
                        told = looked_at
                        logger.info("%d pictures of the store were compared with the index", looked_at)
            except StorageError as error:
                logger.warning("The pictures of %s cannot be read: %s", day, error.message)
                failures.append(day)
            finally:
                await self._turn(slices.close)
        if told:
            logger.info("The store of pictures was looked through: %d pictures", looked_at)
        self._unchecked += failures
        if failures:
            raise StorageError(f"the pictures of {', '.join(failures[:3])} cannot be read; see the log")
        if self._unchecked:
            self._damaged.set()

    # ---- what is told

    @property
    def problem(self) -> tuple[str, str] | None:
        """What is wrong now: its code and what to do about it."""
        if self._refused is not None:
            return self._refused.code, self._refused.message
        if self.facts.state == "failed":
            return "store_failed", f"pictures cannot be stored: {self.facts.reason}"
        return None

    async def _look(self) -> None:
        """Measure what the facts say."""
        try:
            oldest, newest = await self._do(self._shelf.ends)
            free_bytes = await self._do(self._shelf.free_bytes)
        except StorageError as error:
            self._failed(error)
            return
        totals = self._shelf.totals
        state: StoreState = "checking" if self._unchecked else "full" if self._refused else "ready"
        reason = self.facts.reason if state == "checking" else None
        self._set(
            state=state,
            reason=self._refused.message if self._refused and state == "full" else reason,
            count=totals.count,
            size_bytes=totals.size_bytes,
            locked=totals.locked,
            oldest=oldest,
            newest=newest,
            free_bytes=free_bytes,
        )

    def _full(self, error: RefusedError, new_bytes: int) -> None:
        if self._refused is None:
            logger.warning("A picture was not stored: %s", error.message)
        self._refused, self._refused_bytes = error, new_bytes
        self._set(state="full", reason=error.message)

    def _failed(self, error: StorageError) -> None:
        if self.facts.state != "failed":
            logger.warning("The store of pictures failed: %s", error.message)
        self._set(state="failed", reason=error.message)

    def _set(self, **values: object) -> None:
        facts = self.facts.model_copy(update=values)
        if facts != self.facts:
            self.facts = facts
            self._changed()

    # ---- the thread

    async def _do(
        self,
        work: Callable[..., T],
        *arguments: object,
        unless_taken: Callable[[T], object] = lambda _result: None,
    ) -> T:
        """Have work done in its turn; where the index turns out to be damaged, once more with a new one."""
        if not self._opened:
            raise StorageError(
                f"the store of pictures cannot be used: {self.facts.reason or 'it is just being opened'}",
                code="store_failed",
            )
        try:
            return await self._turn(work, *arguments, unless_taken=unless_taken)
        except StorageError as error:
            if error.code != DAMAGED:
                raise
            logger.warning("%s; it is made anew from the pictures", error.message)
        await self._turn(self._shelf.discard_index)
        self._unchecked = await self._turn(self._shelf.days)
        self._set(state="checking", reason="the index was damaged and is made anew from the pictures")
        self._damaged.set()
        return await self._turn(work, *arguments, unless_taken=unless_taken)

    async def _turn(
        self,
        work: Callable[..., T],
        *arguments: object,
        unless_taken: Callable[[T], object] = lambda _result: None,
    ) -> T:
        if self._waiting >= _MAX_WAITING:
            raise RefusedError(f"{_MAX_WAITING} others wait for the store already, try again", code="busy")
        self._waiting += 1
        future = self._executor.submit(work, *arguments)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            # The thread goes on; what it comes to must not be left open.
            future.add_done_callback(partial(_untaken, unless_taken))
            raise
        finally:
            self._waiting -= 1


def _untaken(unless_taken: Callable[[T], object], future: Future[T]) -> None:
    if not future.cancelled() and future.exception() is None:
        unless_taken(future.result())
