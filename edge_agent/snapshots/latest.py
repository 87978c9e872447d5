"""The picture on `image/latest`, for those who come later than it."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Final

from edge_agent.errors import EdgeAgentError
from edge_agent.snapshots.index import Query
from edge_agent.snapshots.store import Store

__all__ = ["newest_jpeg"]

logger = logging.getLogger(__name__)

_MOST_BYTES: Final = 1024 * 1024
_WITHIN_S: Final = 2.0


async def newest_jpeg(store: Store) -> bytes | None:
    """Return the newest JPEG of a store, None where there is none, or it is over 1 MiB or cannot be read."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            found = await store.newest(Query(format="jpeg"), limit=1)
            if not found or found[0].size_bytes > _MOST_BYTES:
                return None
            picture, descriptor = await store.open_picture(found[0].id)
            # The thread closes it, also where nobody waits for it any more.
            content = await asyncio.to_thread(_read, descriptor)
    except (EdgeAgentError, OSError) as error:
        logger.info(
            "The last picture cannot be shown again: %s", str(error) or f"the disk takes over {_WITHIN_S:g} s"
        )
        return None
    return content if len(content) == picture.size_bytes else None


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_MOST_BYTES + 1)
