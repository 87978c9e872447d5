"""Files and index brought to agree, a day at a time: after a start, a kill, a power cut, a lost index.

The files are right. What has no record any more tells what its name and its bytes tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Generator, Iterator
from typing import Final

from edge_agent.snapshots.files import DayFolder, PictureFiles, day_of
from edge_agent.snapshots.headers import HEADER_BYTES, pixels_of
from edge_agent.snapshots.index import Index
from edge_agent.snapshots.picture import PICTURE_ID, Picture, PictureFormat, file_name, time_of
from edge_agent.snapshots.records import RECORDS, append_records, read_records

__all__ = ["THUMBNAIL", "compare_day", "temporary_name"]

logger = logging.getLogger(__name__)

THUMBNAIL: Final = ".thumb.jpg"

_FORMATS: Final[dict[str, PictureFormat]] = {".jpg": "jpeg", ".png": "png", ".dng": "dng"}
_TEMPORARY: Final = re.compile(rf"\.({PICTURE_ID.pattern}\.[a-z.]+|{re.escape(RECORDS)})\.tmp")
_BATCH: Final = 500
_HASH_BYTES: Final = 1024 * 1024


def temporary_name(name: str) -> str:
    """Return what a file is called until it is whole."""
    return f".{name}.tmp"


def compare_day(files: PictureFiles, index: Index, day: str) -> Generator[int, None, None]:
    """Mend one day; yields the number of pictures looked at after each slice of work. Raises StorageError.

    Between two slices the store may be changed: what is known and what is there are compared in the first.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(files.folder(day))
        except FileNotFoundError:
            index.remove(index.ids(day))
            return
        used = yield from _compare(folder, index, day)
        if not used and not index.has_day(day) and not folder.names() - {RECORDS}:
            folder.remove(RECORDS)
            files.prune(day)


def _compare(folder: DayFolder, index: Index, day: str) -> Generator[int, None, bool]:
    names = folder.names()
    pictures: dict[str, PictureFormat] = {}
    for name in names:
        stem, dot, ending = name.partition(".")
        format_ = _FORMATS.get(dot + ending)
        if format_ is not None and PICTURE_ID.fullmatch(stem) and day_of(stem) == day:
            pictures[stem] = format_
        elif _TEMPORARY.fullmatch(name):
            folder.remove(name)
    for name in names:
        if name.endswith(THUMBNAIL) and name.removesuffix(THUMBNAIL) not in pictures:
            folder.remove(name)
    known = index.ids(day)
    index.remove(known - pictures.keys())
    missing = {id_: pictures[id_] for id_ in pictures.keys() - known}
    thumbnails = {id_ for id_ in missing if id_ + THUMBNAIL in names}
    yield len(known)
    if missing:
        yield from _take_in(folder, index, missing, thumbnails)
    return bool(pictures)


def _take_in(
    folder: DayFolder, index: Index, missing: dict[str, PictureFormat], thumbnails: set[str]
) -> Iterator[int]:
    batch: dict[str, Picture] = {}
    done: set[str] = set()
    for record in read_records(folder):
        if missing.get(record.id) != record.format or _size(folder, record.file_name) != record.size_bytes:
            continue
        batch[record.id] = record  # the last one counts
        done.add(record.id)
        if len(batch) >= _BATCH:
            index.add(batch.values())
            yield len(batch)
            batch = {}
    index.add(batch.values())
    yield len(batch)
    for id_ in sorted(missing.keys() - done):
        picture = _told_by_itself(folder, id_, missing[id_])
        if picture is not None:
            append_records(folder, [picture])
            index.add([picture])
        yield 1
    for id_ in thumbnails:
        index.thumbnail(id_, _size(folder, id_ + THUMBNAIL) or 0)


def _size(folder: DayFolder, name: str) -> int | None:
    try:
        return folder.size(name)
    except FileNotFoundError:
        return None


def _told_by_itself(folder: DayFolder, id_: str, format_: PictureFormat) -> Picture | None:
    name = file_name(id_, format_)
    try:
        descriptor = folder.open(name)
    except FileNotFoundError:
        return None
    digest, size_bytes, header = hashlib.sha256(), 0, b""
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while part := file.read(_HASH_BYTES):
            header = header or part[:HEADER_BYTES]
            digest.update(part)
            size_bytes += len(part)
    pixels, time = pixels_of(header, format_), time_of(id_)
    if pixels is None or time is None:
        logger.warning("%s is no picture that can be read; it is left alone", name)
        return None
    logger.info("%s had no record; it was made anew from the picture", name)
    return Picture(
        id=id_,
        time=time,
        format=format_,
        width=pixels[0],
        height=pixels[1],
        size_bytes=size_bytes,
        sha256=digest.hexdigest(),
        cause="recovered",
    )
