"""The first messages of a connection, within their time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, Final

from edge_agent.errors import LinkError

__all__ = ["BIRTH_TIMEOUT_S", "give_birth"]

logger = logging.getLogger(__name__)

BIRTH_TIMEOUT_S: Final = 30.0


async def give_birth(born: Awaitable[None], ended: asyncio.Future[LinkError]) -> None:
    """Await the first messages, or the end of the connection. Raises LinkError where they cannot be sent."""
    birth = asyncio.ensure_future(born)
    either: tuple[asyncio.Future[Any], ...] = (birth, ended)
    try:
        await asyncio.wait(either, timeout=BIRTH_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        late = not birth.done()
    finally:
        birth.cancel()
        (outcome,) = await asyncio.gather(birth, return_exceptions=True)
    if ended.done() or outcome is None:
        return
    cause = f"it took longer than {BIRTH_TIMEOUT_S:g} s" if late else repr(outcome)
    logger.error("the birth failed: %s", cause, exc_info=outcome)
    raise LinkError(f"the first messages could not be published: {cause}", code="birth_failed")
