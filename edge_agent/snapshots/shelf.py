"""The store's work, in the order that survives a power cut at any point. One thread; all of it blocks.

In: record, then picture, then its name, then the index. Out: the picture, then the index. So what was said to
be stored is there, what was said to be deleted does not come back, and the files alone tell everything.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge_agent.errors import RefusedError, StorageError
from edge_agent.snapshots.files import DayFolder, PictureFiles, day_of
from edge_agent.snapshots.index import Index, Loose, Query
from edge_agent.snapshots.limits import Limits, Totals
from edge_agent.snapshots.picture import Picture, file_name
from edge_agent.snapshots.records import RECORDS, append_records, outgrown, rewrite_records
from edge_agent.snapshots.recovery import THUMBNAIL, compare_day, temporary_name

__all__ = ["Deleted", "Shelf"]

logger = logging.getLogger(__name__)

# As much as one turn deletes; whoever waits meanwhile does not notice.
_SLICE: Final = 200
_MAX_THUMBNAIL_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """What was deleted."""

    count: int = 0
    size_bytes: int = 0

    def __add__(self, other: Deleted) -> Deleted:
        return Deleted(count=self.count + other.count, size_bytes=self.size_bytes + other.size_bytes)


class Shelf:
    """Pictures in a directory, and their index. Raises StorageError and RefusedError throughout."""

    def __init__(self, *, files: PictureFiles, index: Index, limits: Limits) -> None:
        self._files = files
        self._index = index
        self._limits = limits

    # ---- life

    def open(self) -> None:
        """Open it; a look at all days is to follow."""
        self._files.prepare()
        self._index.open()

    def close(self) -> None:
        """Close it."""
        self._index.close()

    def discard_index(self) -> None:
        """Begin with an empty index, which a look at all days fills."""
        self._index.discard()
        self._index.open()

    def days(self) -> list[str]:
        """Return every day that has a folder or is in the index, the oldest first."""
        return sorted({*self._files.days(), *self._index.days()})

    def compare(self, day: str) -> Generator[int, None, None]:
        """Bring files and index of a day to agree; to be called until it ends."""
        return compare_day(self._files, self._index, day)

    # ---- what there is

    @property
    def totals(self) -> Totals:
        """What is stored."""
        return self._index.totals

    def ends(self) -> tuple[str | None, str | None]:
        """Return the oldest and the newest id."""
        return self._index.ends()

    def free_bytes(self) -> int:
        """Return what may still be written to the disk."""
        return self._files.free_bytes()

    def newest(self, query: Query, *, limit: int) -> list[Picture]:
        """Return pictures, the newest first."""
        return self._index.newest(query, limit=limit)

    def find(self, id_: str) -> Picture:
        """Return a picture. Raises RefusedError `unknown_picture`."""
        picture = self._index.find(id_)
        if picture is None:
            raise _unknown(id_)
        return picture

    def open_picture(self, id_: str) -> tuple[Picture, int]:
        """Return a picture and the descriptor of its file. One whose file is gone is forgotten."""
        picture = self.find(id_)
        try:
            with self._files.folder(day_of(id_)) as folder:
                return picture, folder.open(picture.file_name)
        except FileNotFoundError as error:
            logger.warning("%s is gone from the store; somebody has deleted it there", picture.file_name)
            self._index.remove([id_])
            raise _unknown(id_) from error

    def count_before(self, bound: str) -> tuple[int, int]:
        """Return how many pictures are older, and how many of these are locked."""
        return self._index.count_before(bound)

    # ---- in

    def add(self, picture: Picture, content: bytes) -> Deleted:
        """Store a picture; it is on the disk when this returns. Return what was deleted to make room.

        Raises RefusedError `store_full`, `disk_full`, `picture_exists`, StorageError; then it is not stored.
        """
        deleted = self._make_room(len(content))
        name = picture.file_name
        with self._folder(picture.id, create=True) as folder:
            if folder.exists(name):
                raise RefusedError(f"there is a picture {picture.id} already", code="picture_exists")
            temporary = temporary_name(name)
            try:
                folder.write(temporary, content)
                append_records(folder, [picture])
                folder.rename(temporary, name)
                folder.sync()
                self._index.add([picture])
            except StorageError:
                # Not stored is not stored: nothing of it turns up after the next start.
                with contextlib.suppress(StorageError):
                    folder.remove(temporary)
                    folder.remove(name)
                raise
        return deleted

    def lock(self, ids: Sequence[str], *, locked: bool) -> list[str]:
        """Lock pictures, or unlock them. Return those that were not so before.

        Where the disk refuses midway, those before it are locked.
        """
        changed = [picture for picture in map(self.find, ids) if picture.locked != locked]
        for picture in changed:
            new = picture.model_copy(update={"locked": locked})
            with self._folder(new.id) as folder:
                append_records(folder, [new])
                self._index.lock(new)
                self._tidy_records(folder, new.id)
        return [picture.id for picture in changed]

    # ---- out

    def delete(self, ids: Sequence[str], *, force: bool = False, dry_run: bool = False) -> Deleted:
        """Delete all of these or none. Raises RefusedError `unknown_picture`, `locked` without `force`."""
        pictures = list(map(self.find, ids))
        locked = [picture.id for picture in pictures if picture.locked]
        if locked and not force:
            raise RefusedError(
                f"{locked[0]} is locked"
                + (f", as are {len(locked) - 1} more of these" if len(locked) > 1 else "")
                + "; nothing was deleted: unlock, or give 'force'",
                code="locked",
                field="pictures",
                value=locked,
            )
        loose = [Loose(picture.id, picture.format, picture.size_bytes) for picture in pictures]
        if dry_run:
            return _sum(loose)
        return self._remove(loose, wait_for_disk=True)

    def delete_before(self, bound: str, *, locked_too: bool = False) -> Deleted:
        """Delete some of the oldest pictures below an id; where none is returned none is left."""
        return self._remove(
            self._index.loose_before(bound, limit=_SLICE, locked_too=locked_too), wait_for_disk=True
        )

    def enforce(self) -> Deleted:
        """Delete a slice of what is beyond the limits of size and number; they may have been lowered.

        Free space is for a new picture to ask for: somebody else's full disk is no reason to delete.
        """
        limits = replace(self._limits, min_free_bytes=0)
        try:
            excess = limits.excess(self.totals, free_bytes=self.free_bytes())
        except RefusedError:
            return Deleted()  # all that is left is locked, and kept
        return self._remove(self._index.oldest_loose(excess, limit=_SLICE)) if excess else Deleted()

    def refusal(self, new_bytes: int) -> RefusedError | None:
        """Return why a picture of that size could not be stored now, None where it could."""
        try:
            self._limits.excess(self.totals, free_bytes=self.free_bytes(), new_bytes=new_bytes, new_count=1)
        except RefusedError as error:
            return error
        return None

    # ---- thumbnails

    def thumbnail(self, id_: str) -> bytes | None:
        """Return the thumbnail that is kept beside a picture."""
        self.find(id_)
        try:
            with self._files.folder(day_of(id_)) as folder, open(folder.open(id_ + THUMBNAIL), "rb") as file:  # noqa: PTH123 - a descriptor
                return file.read(_MAX_THUMBNAIL_BYTES) or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{id_}{THUMBNAIL}: {error.strerror or error}") from error

    def keep_thumbnail(self, id_: str, content: bytes) -> None:
        """Keep a thumbnail beside its picture, as long as that is there."""
        self.find(id_)
        self._limits.excess(self.totals, free_bytes=self.free_bytes(), new_bytes=len(content))
        name = id_ + THUMBNAIL
        with self._folder(id_) as folder:
            folder.write(temporary_name(name), content)
            folder.rename(temporary_name(name), name)
        self._index.thumbnail(id_, len(content))

    # ---- inside

    def _make_room(self, new_bytes: int) -> Deleted:
        deleted = Deleted()
        while excess := self._limits.excess(
            self.totals, free_bytes=self.free_bytes(), new_bytes=new_bytes, new_count=1
        ):
            freed = self._remove(self._index.oldest_loose(excess, limit=_SLICE))
            deleted += freed
            if freed.count < _SLICE:
                break  # as much as was wanted, whatever the disk says of what it gave back
        if deleted.count:
            logger.debug("%d pictures made room for a new one", deleted.count)
        return deleted

    def _remove(self, loose: Sequence[Loose], *, wait_for_disk: bool = False) -> Deleted:
        by_day: dict[str, list[Loose]] = {}
        for picture in loose:
            by_day.setdefault(day_of(picture.id), []).append(picture)
        for day, pictures in by_day.items():
            with contextlib.suppress(FileNotFoundError), self._files.folder(day) as folder:
                for picture in pictures:
                    folder.remove(file_name(picture.id, picture.format))
                    folder.remove(picture.id + THUMBNAIL)
                if wait_for_disk:
                    folder.sync()
            self._index.remove(picture.id for picture in pictures)
            if not self._index.has_day(day):
                self._clear(day)
        return _sum(loose)

    def _clear(self, day: str) -> None:
        """Remove a day's folder that has no picture any more; somebody else's files stay, and keep it."""
        with contextlib.suppress(FileNotFoundError):
            with self._files.folder(day) as folder:
                folder.remove(RECORDS)
            self._files.prune(day)

    def _tidy_records(self, folder: DayFolder, id_: str) -> None:
        # Adding is bounded by the pictures of a day; locking and unlocking is not.
        if outgrown(folder, self._index.day_count(day_of(id_))):
            ids = sorted(self._index.ids(day_of(id_)))
            rewrite_records(folder, (self.find(each) for each in ids))

    @contextlib.contextmanager
    def _folder(self, id_: str, *, create: bool = False) -> Iterator[DayFolder]:
        try:
            with self._files.folder(day_of(id_), create=create) as folder:
                yield folder
        except FileNotFoundError as error:
            raise StorageError(f"{self._files.directory / day_of(id_)}: it has vanished") from error


def _sum(loose: Sequence[Loose]) -> Deleted:
    return Deleted(count=len(loose), size_bytes=sum(picture.size_bytes for picture in loose))


def _unknown(id_: str) -> RefusedError:
    return RefusedError(
        f"there is no picture {id_} in the store; 'images' lists what there is",
        code="unknown_picture",
        field="picture",
        value=id_,
    )
