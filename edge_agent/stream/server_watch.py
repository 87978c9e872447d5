"""Looks at the server every few seconds: its API, where one is configured, and the publisher's sockets.

Looking blocks, so it is done on one thread of its own; what was seen is handed over on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol
from urllib.parse import urlsplit

from edge_agent.clock import Clock
from edge_agent.processes.waiting import set_within
from edge_agent.pulse import until_pulse_s
from edge_agent.stream.config import StreamServerConfig
from edge_agent.stream.server_api import ServerApi
from edge_agent.stream.server_view import Answer
from edge_agent.stream.sockets import Connection, Connections
from edge_agent.stream.url import SCHEMES
from edge_agent.stream.viewing import path_name

__all__ = ["Api", "Look", "ServerWatch"]

_AGAIN_S: Final = 0.5
_JITTER: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen at one time. `answer` is None without an API, `connections` without a publisher.

    `publisher` is the pid whose connections these are: an answer about an earlier one proves nothing.
    """

    answer: Answer | None
    connections: tuple[Connection, ...] | None
    publisher: int | None


class Api(Protocol):
    """What can be asked of the server; both calls block, on the watch's thread."""

    def ask(self) -> Answer:
        """Return what the server says; never raises."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


def _own_thread() -> Executor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="stream-server")


class ServerWatch:
    """`port` is the server's that the publisher connects to over TCP, None where it does not."""

    def __init__(
        self,
        *,
        api: Api | None,
        poll_s: float,
        port: int | None,
        clock: Clock,
        random: Random,
        find_connections: Callable[[int, int], tuple[Connection, ...]] | None = None,
        new_thread: Callable[[], Executor] = _own_thread,
    ) -> None:
        self._api = api
        self._poll_s = poll_s
        self._port = port
        self._clock = clock
        self._random = random
        self._find_connections = find_connections or Connections()
        self._new_thread = new_thread
        self._wanted = asyncio.Event()

    @classmethod
    def of(cls, url: str, config: StreamServerConfig, *, clock: Clock, random: Random) -> ServerWatch:
        """Return the watch of the server that `url` publishes to."""
        parts = urlsplit(url)
        api = None
        if config.api is not None:
            api = ServerApi(
                base=config.api,
                path=path_name(url),
                username=config.username,
                password=config.password.get_secret_value() if config.password else None,
                token=config.token.get_secret_value() if config.token else None,
                ca=config.ca,
            )
        return cls(
            api=api,
            poll_s=config.poll_s,
            # SRT sends datagrams, of which no connection tells.
            port=None if parts.scheme == "srt" else parts.port or SCHEMES.get(parts.scheme),
            clock=clock,
            random=random,
        )

    @property
    def has_api(self) -> bool:
        """Whether the server can be asked at all."""
        return self._api is not None

    def look_soon(self) -> None:
        """Look now, or as soon as the look that is under way is over."""
        self._wanted.set()

    async def run(self, *, publisher: Callable[[], int | None], on_look: Callable[[Look], None]) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        thread = self._new_thread()
        try:
            while True:
                self._wanted.clear()
                look = await loop.run_in_executor(thread, self._look, publisher())
                on_look(look)
                await self._pause(look)
        finally:
            # What is under way ends by its own limits, and nobody waits for it.
            if self._api is not None:
                thread.submit(self._api.close)
            thread.shutdown(wait=False)

    async def _pause(self, look: Look) -> None:
        silent = look.answer is not None and look.answer.kind == "silent"
        pause_s = _AGAIN_S if silent else self._poll_s
        pause_s *= self._random.uniform(1 - _JITTER, 1 + _JITTER)
        pause_s = until_pulse_s(self._clock.monotonic(), pause_s)
        await set_within(self._clock, self._wanted, pause_s)

    def _look(self, pid: int | None) -> Look:
        found = None if pid is None else self._find_connections(pid, self._port) if self._port else ()
        answer = None if self._api is None else self._api.ask()
        return Look(answer=answer, connections=found, publisher=pid)
