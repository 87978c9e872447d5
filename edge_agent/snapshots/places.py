"""Where a picture goes. Each place by itself: what one refuses, the others still get."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from edge_agent.errors import EdgeAgentError, RefusedError, StorageError
from edge_agent.mqtt.message import Outgoing
from edge_agent.snapshots.arguments import Place
from edge_agent.snapshots.picture import Picture
from edge_agent.snapshots.store import Store
from edge_agent.snapshots.uploads import Uploader

__all__ = ["Delivered", "Places"]

# A disk that hangs keeps a picture waiting for no longer than this.
_STORE_TIMEOUT_S: Final = 60.0
_MAX_IDS_TRIED: Final = 100


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """Where a picture has gone, and why not to the rest."""

    picture: Picture
    sent_to: tuple[Place, ...] = ()
    errors: dict[Place, EdgeAgentError] = field(default_factory=dict)
    ticket: str | None = None

    def document(self) -> dict[str, object]:
        """Return what a reply and an event say of it."""
        return {
            **self.picture.model_dump(),
            "sent_to": list(self.sent_to),
            "not_sent": {
                place: {"code": error.code, "message": error.message} for place, error in self.errors.items()
            },
            "upload_ticket": self.ticket,
        }


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of this node. `latest` makes the message for `image/latest`."""

    store: Store
    uploader: Uploader
    deliver: Callable[[Outgoing], Awaitable[None]]
    latest: Callable[[bytes], Outgoing]

    async def bring(
        self,
        picture: Picture,
        content: bytes,
        places: Sequence[Place],
        *,
        new_id: Callable[[], str],
        url: str | None = None,
    ) -> Delivered:
        """Bring a picture to all of `places`; never raises what a place says.

        Where the store has a picture of that id, it takes one of `new_id`.
        """
        delivered = Delivered(picture=picture)
        # The store first: it may want another id, and an upload is linked to its file.
        for place in sorted(places, key=("store", "upload", "mqtt").index):
            try:
                if place == "store":
                    stored = await self._keep(delivered.picture, content, new_id)
                    delivered = replace(delivered, picture=stored)
                elif place == "upload":
                    delivered = replace(delivered, ticket=await self._upload(delivered, content, url))
                else:
                    await self._publish(delivered.picture, content)
            except EdgeAgentError as error:
                delivered = replace(delivered, errors={**delivered.errors, place: error})
            else:
                delivered = replace(delivered, sent_to=(*delivered.sent_to, place))
        return delivered

    async def _keep(self, picture: Picture, content: bytes, new_id: Callable[[], str]) -> Picture:
        for _ in range(_MAX_IDS_TRIED):
            try:
                async with asyncio.timeout(_STORE_TIMEOUT_S):
                    await self.store.add(picture, content)
            except RefusedError as error:
                if error.code != "picture_exists":
                    raise
                picture = picture.model_copy(update={"id": new_id()})
            except TimeoutError as error:
                raise StorageError(
                    f"the disk has not taken the picture within {_STORE_TIMEOUT_S:g} s; it may yet",
                    code="timeout",
                ) from error
            else:
                return picture
        raise StorageError("the store has a picture of every id that was tried", code="picture_exists")

    async def _upload(self, delivered: Delivered, content: bytes, url: str | None) -> str:
        stored = "store" in delivered.sent_to
        source = self.store.path_of(delivered.picture) if stored else content
        return await self.uploader.add(delivered.picture, source, url=url)

    async def _publish(self, picture: Picture, content: bytes) -> None:
        if picture.format != "jpeg":
            raise RefusedError(
                f"image/latest carries JPEG alone, this is a {picture.format}; 'images get' sends it",
                code="not_jpeg",
            )
        await self.deliver(self.latest(content))
