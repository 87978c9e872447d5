"""Snapshots: pictures of this moment, while the stream goes on, and the store that keeps them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from datetime import UTC
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel

from edge_agent.camera.messages import StillInfo, StillRequest
from edge_agent.clock import rfc3339
from edge_agent.contract.command import Call, Outcome, command
from edge_agent.contract.entity import Entity
from edge_agent.contract.status import Part
from edge_agent.errors import EdgeAgentError, LinkError, RefusedError
from edge_agent.feature import Feature, Host
from edge_agent.mqtt.message import Outgoing
from edge_agent.snapshots.arguments import Place, SnapshotArguments
from edge_agent.snapshots.config import SnapshotsConfig
from edge_agent.snapshots.entities import snapshot_entities
from edge_agent.snapshots.films import Films
from edge_agent.snapshots.images import Images, ImagesArguments
from edge_agent.snapshots.latest import newest_jpeg
from edge_agent.snapshots.limits import Limits
from edge_agent.snapshots.picture import Picture, picture_id
from edge_agent.snapshots.places import Delivered, Places
from edge_agent.snapshots.status import SnapshotStatus
from edge_agent.snapshots.store import Store
from edge_agent.snapshots.thumbnails import Thumbnailer
from edge_agent.snapshots.transfer import Transfer
from edge_agent.snapshots.upload.config import UploadConfig
from edge_agent.snapshots.upload.status import UploadStatus
from edge_agent.snapshots.upload.uploads import Uploads
from edge_agent.snapshots.uploads import Uploader

__all__ = ["SnapshotsConfig", "SnapshotsFeature"]

_MB: Final = 1_000_000
_DAY_S: Final = 86_400.0
# Pictures in memory at a time: one that is brought to its places while the next is taken.
_AT_A_TIME: Final = 2
_MAX_WAITING: Final = 32
_PROBLEMS: Final = ("store_full", "disk_full", "store_failed")


class SnapshotsFeature(Feature):
    """Takes pictures, keeps them, and sends them where they are wanted."""

    name = "snapshots"
    section = SnapshotsConfig
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {
        "snapshot": SnapshotStatus,
        "upload": UploadStatus,
    }

    def __init__(self, *, host: Host, config: SnapshotsConfig, uploader: Uploader | None = None) -> None:
        super().__init__(host=host, config=config)
        directory = config.directory or host.configuration.state_dir / "pictures"
        self._uploads = _uploads(host, directory)
        self._uploader: Uploader = uploader or self._uploads
        self._last: Picture | None = None
        self._last_sent_to: tuple[str, ...] = ()
        self._latest: bytes | None = None
        self._count = 0
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._waiting = 0
        self._stack = AsyncExitStack()
        state_dir = host.configuration.state_dir
        self._store = Store(
            directory=directory,
            index_path=state_dir / "pictures.sqlite3",
            limits=Limits(
                limit_bytes=config.limit_mb * _MB,
                limit_count=config.limit_count,
                min_free_bytes=config.min_free_mb * _MB,
                keep_s=None if config.keep_days is None else config.keep_days * _DAY_S,
            ),
            clock=host.clock,
            changed=self._store_changed,
        )
        self._places = Places(
            store=self._store, uploader=self._uploader, deliver=host.deliver, latest=self._message
        )
        transfer = Transfer(deliver=host.deliver, chunk_bytes=config.chunk_bytes)
        self._images = Images(
            store=self._store,
            transfer=transfer,
            thumbnailer=Thumbnailer(),
            keep_thumbnails=config.thumbnails,
            uploader=self._uploader,
            films=Films(
                store=self._store,
                directory=state_dir / "videos",
                min_free_bytes=config.min_free_mb * _MB,
                transfer=transfer,
                topics=host.topics,
                clock=host.clock,
            ),
            topics=host.topics,
            page_bytes=host.configuration.mqtt.max_message_bytes // 2,
        )

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._store)
        await self._stack.enter_async_context(self._uploads)
        self._latest = await newest_jpeg(self._store)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @classmethod
    def sections(cls) -> Mapping[str, type[BaseModel]]:
        """Return how pictures are taken, and where they are uploaded to."""
        return {**super().sections(), "upload": UploadConfig}

    def status(self) -> Mapping[str, Part]:
        """Return the last picture's facts, and the store's, and what is being uploaded."""
        return {
            "snapshot": lambda: SnapshotStatus.of(
                self._last, sent_to=self._last_sent_to, count=self._count, store=self._store.facts
            ),
            "upload": self._uploads.status,
        }

    def entities(self) -> Iterable[Entity]:
        """Return what a home sees of the pictures."""
        return snapshot_entities(self.host.topics)

    def retained(self) -> Iterable[Outgoing]:
        """Return the last picture: who came since has nothing to show, where the broker does not keep it."""
        if self._latest is not None:
            yield self._message(self._latest)

    @command(name="images", arguments=ImagesArguments, main="action")
    async def images(self, call: Call) -> Outcome:
        """List, send, delete, lock and upload what is in the store."""
        return await self._images.carry_out(call)

    @command(name="snapshot", arguments=SnapshotArguments, slow=True)
    async def snapshot(self, call: Call) -> Outcome:
        """Take pictures, the stream going on; publish them on image/latest, store them, upload them."""
        arguments: SnapshotArguments = call.arguments
        places = arguments.places(store=self.config.store, upload=self._uploader.configured)
        if arguments.format != "jpeg" and places == ("mqtt",):
            raise RefusedError(
                f"image/latest carries JPEG alone: give 'to' a place that takes a {arguments.format}",
                code="invalid_arguments",
                field="to",
                allowed=["store", "upload"],
            )
        request = arguments.request(
            quality=self.config.quality,
            profile=await self._profile(arguments.profile, call.cause),
            node=self.host.configuration.node.id,
        )
        interruption = self.host.camera.still_interrupts(request)
        if call.dry_run:
            return Outcome(result={"to": list(places), "interrupts_stream": interruption})
        if self._waiting >= _MAX_WAITING:
            raise RefusedError(f"{_MAX_WAITING} snapshots wait already, try again later", code="busy")
        self._waiting += 1
        try:
            async with self._turns:
                outcome = await self._take(call, request, places)
                return Outcome(result={**outcome.result, "interrupts_stream": interruption})
        finally:
            self._waiting -= 1

    # ---- taking

    async def _take(self, call: Call, request: StillRequest, places: tuple[Place, ...]) -> Outcome:
        arguments: SnapshotArguments = call.arguments
        taken: list[Delivered] = []
        documents: list[dict[str, Any]] = []
        try:
            async with aclosing(self._shots(request)) as shots:
                async for info, content in shots:
                    picture = await self._picture(call, info, content)
                    delivered = await self._places.bring(
                        picture, content, places, new_id=partial(self._new_id, info), url=arguments.url
                    )
                    self._took(delivered, content)
                    taken.append(delivered)
                    documents.append({**delivered.document(), **_how(info)})
                    if len(taken) < request.count:
                        call.progress(len(taken) / request.count)
        except EdgeAgentError as error:
            if taken:
                error.message = (
                    f"{len(taken)} of {request.count} pictures were taken, {taken[0].picture.id} to "
                    f"{taken[-1].picture.id}; then: {error.message}"
                )
            raise
        if not any(delivered.sent_to for delivered in taken):
            raise next(iter(taken[0].errors.values()))
        if arguments.count == 1:
            return Outcome(result=documents[0])
        return Outcome(result={"pictures": documents})

    async def _shots(self, request: StillRequest) -> AsyncGenerator[tuple[StillInfo, bytes], None]:
        if request.count == 1:
            yield await self.host.camera.still(request)
            return
        async with aclosing(self.host.camera.burst(request)) as burst:
            async for shot in burst:
                yield shot

    async def _picture(self, call: Call, info: StillInfo, content: bytes) -> Picture:
        digest = await asyncio.to_thread(hashlib.sha256, content)
        return Picture(
            id=self._new_id(info),
            time=rfc3339(info.captured_at),
            format=call.arguments.format,
            width=info.width,
            height=info.height,
            size_bytes=len(content),
            sha256=digest.hexdigest(),
            cause=call.cause,
            reason=call.arguments.reason,
            exposure_us=info.reading.exposure_us,
            analogue_gain=info.reading.analogue_gain,
            lux=info.reading.lux,
            locked=call.arguments.lock,
        )

    def _new_id(self, info: StillInfo) -> str:
        self._count += 1
        return picture_id(info.captured_at.astimezone(UTC), self._count)

    def _took(self, delivered: Delivered, content: bytes) -> None:
        self._last, self._last_sent_to = delivered.picture, delivered.sent_to
        error = delivered.errors.get("mqtt")
        # What a broker that is away did not get, it gets when it is back.
        later = isinstance(error, LinkError) and error.code != "message_too_large"
        if "mqtt" in delivered.sent_to or later:
            self._latest = content
        self.host.events.emit("snapshot", "taken", **delivered.document())
        self.host.status_changed()

    async def _profile(self, name: str | None, cause: str) -> dict[str, Any]:
        """Return what a profile would change now, by the settings' paths."""
        if name is None:
            return {}
        outcome = await self.host.commands.execute("profile", {"action": "diff", "name": name}, cause=cause)
        if impossible := outcome.result.get("impossible"):
            raise RefusedError(
                f"this camera does not have what the profile '{name}' sets: {', '.join(sorted(impossible))}",
                code="not_offered",
                field="profile",
                value=name,
            )
        changes: Mapping[str, Mapping[str, Any]] = outcome.result["changes"]
        return {path: change["then"] for path, change in changes.items()}

    def _message(self, picture: bytes) -> Outgoing:
        return Outgoing(
            topic=self.host.topics.image_latest,
            payload=picture,
            qos=0,
            retain=self.config.retain_latest,
            kind="bulk",
        )

    def _store_changed(self) -> None:
        code, message = self._store.problem or (None, None)
        for known in _PROBLEMS:
            self.host.problems.set(known, message if known == code else None)
        self.host.status_changed()


def _how(info: StillInfo) -> dict[str, Any]:
    """Return what else the camera says of how it was taken."""
    return info.model_dump(include={"settings_shown", "interrupted_frames", "skipped_frames", "focus"})


def _uploads(host: Host, store: Path) -> Uploads:
    return Uploads(
        config=host.configuration.section("upload", UploadConfig),
        directory=host.configuration.state_dir / "spool",
        node=host.topics.node,
        clock=host.clock,
        random=host.random,
        events=host.events,
        problems=host.problems,
        status_changed=host.status_changed,
        store=store,
    )
