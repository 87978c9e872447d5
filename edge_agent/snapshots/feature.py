"""Snapshots: a picture of this moment, while the stream goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.camera.messages import StillRequest
from edge_agent.clock import rfc3339
from edge_agent.config import Section
from edge_agent.contract.command import Arguments, Call, Outcome, command
from edge_agent.contract.entity import Entity
from edge_agent.contract.status import Part
from edge_agent.errors import RefusedError
from edge_agent.feature import Feature, Host
from edge_agent.mqtt.message import Outgoing
from edge_agent.snapshots.entities import snapshot_entities
from edge_agent.snapshots.upload.config import UploadConfig

__all__ = ["SnapshotsConfig", "SnapshotsFeature"]


class SnapshotsConfig(Section):
    """How pictures are taken."""

    quality: int = Field(90, ge=1, le=100, description="JPEG quality where a command names none")
    retain_latest: bool = Field(False, description="Whether the broker keeps the last picture")


class SnapshotArguments(Arguments):
    """One picture."""

    width: int | None = Field(None, ge=16, le=16384, description="Pixels; null is the stream's size")
    height: int | None = Field(None, ge=16, le=16384, description="Pixels; null is the stream's size")
    quality: int | None = Field(None, ge=1, le=100, description="JPEG quality")
    format: Literal["jpeg"] = Field("jpeg", description="How the picture is encoded")


class SnapshotStatus(BaseModel):
    """`status.snapshot`: the last picture."""

    model_config = ConfigDict(frozen=True)

    id: str | None = None
    time: str | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    cause: str | None = None
    count: int = 0


class SnapshotsFeature(Feature):
    """Takes pictures and publishes them on `image/latest`."""

    name = "snapshots"
    section = SnapshotsConfig

    def __init__(self, *, host: Host, config: SnapshotsConfig) -> None:
        super().__init__(host=host, config=config)
        self._last = SnapshotStatus()
        self._latest: bytes | None = None

    @classmethod
    def sections(cls) -> Mapping[str, type[BaseModel]]:
        """Return how pictures are taken, and where they are uploaded to."""
        return {**super().sections(), "upload": UploadConfig}

    def status(self) -> Mapping[str, Part]:
        """Return the last picture's facts."""
        return {"snapshot": lambda: self._last}

    def entities(self) -> Iterable[Entity]:
        """Return what a home sees of the pictures."""
        return snapshot_entities(self.host.topics)

    def retained(self) -> Iterable[Outgoing]:
        """Return the last picture, where the broker is to keep it."""
        if self.config.retain_latest and self._latest is not None:
            yield self._message(self._latest)

    @command(name="snapshot", arguments=SnapshotArguments, slow=True)
    async def snapshot(self, call: Call) -> Outcome:
        """Take a picture, the stream going on, and publish it on image/latest."""
        arguments: SnapshotArguments = call.arguments
        if (arguments.width is None) != (arguments.height is None):
            raise RefusedError("give width and height, or neither", code="invalid_arguments", field="width")
        if call.dry_run:
            return Outcome()
        host = self.host
        moment = host.clock.now()
        info, picture = await host.camera.still(
            StillRequest(
                width=arguments.width,
                height=arguments.height,
                quality=arguments.quality or self.config.quality,
                format=arguments.format,
            )
        )
        # Names sort by time; the count tells two of one millisecond apart.
        count = self._last.count + 1
        self._last = SnapshotStatus(
            id=f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z-{count:04d}",
            time=rfc3339(moment),
            width=info.width,
            height=info.height,
            size_bytes=len(picture),
            sha256=hashlib.sha256(picture).hexdigest(),
            cause=call.cause,
            count=count,
        )
        host.publish(self._message(picture))
        self._latest = picture if self.config.retain_latest else None
        host.events.emit("snapshot", "taken", **self._last.model_dump(exclude={"count"}))
        host.status_changed()
        return Outcome(result={**self._last.model_dump(exclude={"count"}), "sent_to": ["mqtt"]})

    def _message(self, picture: bytes) -> Outgoing:
        return Outgoing(
            topic=self.host.topics.image_latest,
            payload=picture,
            qos=0,
            retain=self.config.retain_latest,
            kind="bulk",
        )
