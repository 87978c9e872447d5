"""The command `images`: what is in the store, and what can be done with it."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edge_agent.contract.command import Arguments, Call, Outcome
from edge_agent.contract.topics import Topics
from edge_agent.contract.wire import encoded
from edge_agent.errors import EdgeAgentError, RefusedError
from edge_agent.snapshots.films import Films
from edge_agent.snapshots.index import Query
from edge_agent.snapshots.picture import PICTURE_ID, Picture, PictureFormat, id_prefix
from edge_agent.snapshots.progress import in_steps
from edge_agent.snapshots.store import Store
from edge_agent.snapshots.thumbnails import Thumbnailer
from edge_agent.snapshots.transfer import FromFile, FromMemory, Transfer
from edge_agent.snapshots.uploads import Uploader

__all__ = ["Images", "ImagesArguments"]

logger = logging.getLogger(__name__)

Action = Literal["list", "get", "delete", "lock", "unlock", "upload", "video", "stats"]

_PAGE: Final = 20
_MAX_IDS: Final = 100
_EXAMPLE: Final = "20260615T120000000Z-0001"


def _an_id(text: str) -> str:
    if PICTURE_ID.fullmatch(text) is None:
        raise ValueError(f"it should be a picture's id, like {_EXAMPLE}")
    return text


def _an_id_or_latest(text: str) -> str:
    return text if text == "latest" else _an_id(text)


def _a_moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC)


def _an_id_or_a_time(text: str) -> str:
    if PICTURE_ID.fullmatch(text) is None:
        try:
            _a_moment(text)
        except (ValueError, OverflowError):
            raise ValueError(
                f"it should be a picture's id, like {_EXAMPLE}, or a time, like 2026-06-15T12:00:00Z"
            ) from None
    return text


_Id = Annotated[str, Field(max_length=64), AfterValidator(_an_id)]
_IdOrLatest = Annotated[str, Field(max_length=64), AfterValidator(_an_id_or_latest)]
_IdOrTime = Annotated[str, Field(max_length=64), AfterValidator(_an_id_or_a_time)]


class ImagesArguments(Arguments):
    """What to do, and with which pictures."""

    action: Action = Field("list", description="What to do")
    # A picture's id cannot be called `id`: that is the caller's own, in every command.
    picture: _IdOrLatest | None = Field(None, description="The id of one; 'latest' is the newest")
    pictures: tuple[_Id, ...] = Field((), max_length=_MAX_IDS, description="The ids of several")
    before: _IdOrTime | None = Field(
        None,
        description="list, delete, video: only pictures before this id or time; 'next' of a list goes here",
    )
    after: _IdOrTime | None = Field(None, description="list, video: only pictures after this id or time")
    limit: int = Field(_PAGE, ge=1, le=100, description="list: how many at most, the newest first")
    format: PictureFormat | None = Field(None, description="list: only of this format")
    locked: bool | None = Field(None, description="list: only locked ones, or only others")
    reason: str | None = Field(None, max_length=200, description="list, video: only with exactly this reason")
    size: Literal["full", "thumbnail"] = Field("full", description="get: the picture, or a small JPEG of it")
    url: str | None = Field(None, max_length=2048, description="upload: where to; null is upload.url")
    fps: float = Field(25.0, ge=1, le=120, description="video: pictures a second")
    send: bool = Field(False, description="video: send it over MQTT, too, as get does")
    force: bool = Field(False, description="delete: locked ones, too")

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        known = ("action", *_ARGUMENTS[self.action])
        if others := self.model_fields_set.difference(known):
            takes = ", ".join(known[1:]) or "nothing"
            raise ValueError(f"'{min(others)}' does not go with {self.action}, which takes {takes}")
        if self.picture is not None and self.pictures:
            raise ValueError("give 'picture' or 'pictures', not both")
        named = self.picture is not None or bool(self.pictures)
        if self.action == "delete" and named == (self.before is not None):
            raise ValueError("delete takes 'picture', 'pictures' or 'before', and exactly one of them")
        if self.action == "delete" and self.picture == "latest":
            raise ValueError("delete takes no 'latest': another picture may have come meanwhile; give its id")
        if self.action in ("lock", "unlock", "upload") and not named:
            raise ValueError(f"{self.action} takes 'picture' or 'pictures'")
        return self


_ARGUMENTS: Final[dict[Action, tuple[str, ...]]] = {
    "list": ("limit", "before", "after", "format", "locked", "reason"),
    "get": ("picture", "size"),
    "delete": ("picture", "pictures", "before", "force"),
    "lock": ("picture", "pictures"),
    "unlock": ("picture", "pictures"),
    "upload": ("picture", "pictures", "url"),
    "video": ("reason", "before", "after", "fps", "send"),
    "stats": (),
}


@dataclass(frozen=True, kw_only=True)
class Images:
    """Carries the command out. `page_bytes` bounds what a list may have as JSON."""

    store: Store
    transfer: Transfer
    thumbnailer: Thumbnailer
    keep_thumbnails: bool
    uploader: Uploader
    films: Films
    topics: Topics
    page_bytes: int

    async def carry_out(self, call: Call) -> Outcome:
        """Do what is asked. Raises EdgeAgentError."""
        actions: dict[Action, Callable[[Call, ImagesArguments], Awaitable[dict[str, Any]]]] = {
            "list": self._list,
            "get": self._get,
            "delete": self._delete,
            "lock": self._lock,
            "unlock": self._lock,
            "upload": self._upload,
            "video": self._video,
            "stats": self._stats,
        }
        return Outcome(result=await actions[call.arguments.action](call, call.arguments))

    async def _list(self, _call: Call, arguments: ImagesArguments) -> dict[str, Any]:
        query = Query(
            before=None if arguments.before is None else _before(arguments.before),
            after=None if arguments.after is None else _after(arguments.after),
            format=arguments.format,
            locked=arguments.locked,
            reason=arguments.reason,
        )
        found = await self.store.newest(query, limit=arguments.limit + 1)
        page: list[dict[str, Any]] = []
        left_bytes = self.page_bytes
        for picture in found[: arguments.limit]:
            document = picture.model_dump()
            left_bytes -= len(encoded(document))
            if left_bytes < 0 and page:
                break
            page.append(document)
        return {
            "pictures": page,
            "next": page[-1]["id"] if len(page) < len(found) else None,
            "store": self.store.facts.state,
        }

    async def _get(self, call: Call, arguments: ImagesArguments) -> dict[str, Any]:
        picture = await self.store.find(arguments.picture or "latest")
        told = {"id": picture.id, "time": picture.time, "size": arguments.size}
        if arguments.size == "thumbnail":
            return {**told, "media_type": "image/jpeg", **await self._send_thumbnail(call, picture)}
        told["media_type"] = picture.media_type
        if call.dry_run:
            return {**told, "size_bytes": picture.size_bytes, "sha256": picture.sha256}
        _, descriptor = await self.store.open_picture(picture.id)
        try:
            sent = await self.transfer.send(
                FromFile(descriptor),
                topic=self.topics.image(picture.id),
                sha256=picture.sha256,
                progress=call.progress,
            )
        finally:
            os.close(descriptor)
        return {**told, **sent.model_dump()}

    async def _send_thumbnail(self, call: Call, picture: Picture) -> dict[str, Any]:
        small = await self.store.thumbnail(picture.id)
        if small is None and not call.dry_run:
            small = await self._make_thumbnail(picture)
        if small is None or call.dry_run:
            return {}
        topic = self.topics.image(f"{picture.id}/thumbnail")
        sent = await self.transfer.send(FromMemory(small), topic=topic)
        return sent.model_dump()

    async def _make_thumbnail(self, picture: Picture) -> bytes:
        _, descriptor = await self.store.open_picture(picture.id)
        try:
            small = await self.thumbnailer.make(descriptor)
        finally:
            os.close(descriptor)
        if self.keep_thumbnails:
            try:
                await self.store.keep_thumbnail(picture.id, small)
            except EdgeAgentError as error:
                # It was asked for to be sent: that it has to be made anew the next time is nobody's trouble.
                logger.debug("A thumbnail is not kept: %s", error.message)
        return small

    async def _delete(self, call: Call, arguments: ImagesArguments) -> dict[str, Any]:
        ids = await self._ids(arguments)
        if ids:
            deleted = await self.store.delete(ids, force=arguments.force, dry_run=call.dry_run)
            return {"deleted": deleted.count, "freed_bytes": deleted.size_bytes, "kept_locked": 0}
        bound = _before(str(arguments.before))
        count, locked = await self.store.count_before(bound)
        kept = 0 if arguments.force else locked
        if call.dry_run:
            return {"deleted": count - kept, "freed_bytes": None, "kept_locked": kept}
        progress = in_steps(call.progress)
        deleted = await self.store.delete_before(
            bound, locked_too=arguments.force, progress=lambda gone: progress(gone / max(count, gone))
        )
        return {"deleted": deleted.count, "freed_bytes": deleted.size_bytes, "kept_locked": kept}

    async def _lock(self, call: Call, arguments: ImagesArguments) -> dict[str, Any]:
        ids = await self._ids(arguments)
        wanted = arguments.action == "lock"
        if call.dry_run:
            pictures = [await self.store.find(id_) for id_ in ids]
            return {"changed": [picture.id for picture in pictures if picture.locked != wanted]}
        return {"changed": await self.store.lock(ids, locked=wanted)}

    async def _upload(self, call: Call, arguments: ImagesArguments) -> dict[str, Any]:
        if not (self.uploader.configured or arguments.url):
            raise RefusedError(
                "nothing says where to upload to: set upload.url, or give 'url'", code="not_configured"
            )
        pictures = [await self.store.find(id_) for id_ in await self._ids(arguments)]
        if call.dry_run:
            return {"uploads": []}
        uploads: list[dict[str, str]] = []
        progress = in_steps(call.progress)
        for picture in pictures:
            # Only what is in the store and a plain file is handed on.
            _, descriptor = await self.store.open_picture(picture.id)
            os.close(descriptor)
            ticket = await self.uploader.add(picture, self.store.path_of(picture), url=arguments.url)
            uploads.append({"id": picture.id, "ticket": ticket})
            progress(len(uploads) / len(pictures))
        return {"uploads": uploads}

    async def _video(self, call: Call, arguments: ImagesArguments) -> dict[str, Any]:
        query = Query(
            before=None if arguments.before is None else _before(arguments.before),
            after=None if arguments.after is None else _after(arguments.after),
            reason=arguments.reason,
        )
        return await self.films.make(
            query,
            fps=arguments.fps,
            send=arguments.send,
            dry_run=call.dry_run,
            progress=in_steps(call.progress),
        )

    async def _stats(self, _call: Call, _arguments: ImagesArguments) -> dict[str, Any]:
        return self.store.facts.model_dump()

    async def _ids(self, arguments: ImagesArguments) -> Sequence[str]:
        """Return the pictures that are named, each once."""
        if arguments.picture is not None:
            return [(await self.store.find(arguments.picture)).id]
        return list(dict.fromkeys(arguments.pictures))


def _before(text: str) -> str:
    """Return what the ids of all pictures before an id or a time are below."""
    return text if PICTURE_ID.fullmatch(text) else id_prefix(_a_moment(text))


def _after(text: str) -> str:
    """Return what the ids of all pictures after an id or a time are above."""
    # A full stop sorts after the hyphen that follows in every id of that millisecond.
    return text if PICTURE_ID.fullmatch(text) else id_prefix(_a_moment(text)) + "."
