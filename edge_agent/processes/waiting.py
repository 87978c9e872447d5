"""Waiting by the clock that was passed in, so that tests can drive it."""

from __future__ import annotations

import asyncio
from typing import Any

from edge_agent.clock import Clock

__all__ = ["done_within", "set_within"]


async def done_within(clock: Clock, future: asyncio.Future[Any], seconds: float) -> bool:
    """Wait for `future` at most `seconds`; tell whether it is done. It is not cancelled and not unwrapped."""
    if future.done():
        return True
    asleep = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({future, asleep}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asleep.cancel()
    return future.done()


async def set_within(clock: Clock, event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event` at most `seconds`; tell whether it is set."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        return await done_within(clock, waiting, seconds)
    finally:
        waiting.cancel()
