"""systemd is told that the agent is up, how it is, and, as long as everything turns, to let it live."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from types import TracebackType
from typing import Any, Final

from edge_agent.feature import Feature, Host
from edge_agent.health.notify_socket import NotifySocket, watchdog_s

__all__ = ["SystemdFeature"]

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0
_FEEDS_A_PERIOD: Final = 3
# What a loop may be late for, by a machine that is busy; and the event loop, before that is worth a line.
_LATE_S: Final = 10.0
_LAG_S: Final = 1.0


class SystemdFeature(Feature):
    """Speaks to the service manager at NOTIFY_SOCKET; without one it does nothing.

    READY=1 says that the agent's own loop is up, whether or not there is a broker or a camera. The watchdog
    is fed as long as the event loop, the link's own loop and the supervisors of the children turn in time: a
    camera that fails and is started again and again is not what another start of the agent would mend.
    """

    name = "systemd"

    def __init__(self, *, host: Host, config: Any) -> None:
        super().__init__(host=host, config=config)
        self._socket = NotifySocket.from_environment(os.environ)
        period_s = watchdog_s(os.environ)
        self._feed_every_s = math.inf if period_s is None else period_s / _FEEDS_A_PERIOD
        self._feed_at_s = math.inf if period_s is None else host.clock.monotonic()
        self._told: str | None = None
        self._stuck: tuple[str, ...] = ()
        self._tasks: list[asyncio.Task[None]] = []

    def ready(self) -> None:
        """Say that the agent is up, and begin to watch."""
        if self._socket is None:
            return
        self._socket.send(READY="1")
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._watch(self._socket), name="systemd watch"),
            loop.create_task(self._tell_stopping(self._socket), name="systemd stopping"),
        ]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, service_manager: NotifySocket) -> None:
        every_s = min(_LOOK_EVERY_S, self._feed_every_s)
        while True:
            self._look(service_manager)
            lag_s = await self._pause(every_s)
            if lag_s > _LAG_S:
                logger.warning("The event loop stood still for %.1f s", lag_s)
                # The others had no turn either: they get theirs before they are judged.
                await self._pause(min(every_s, _LAG_S))

    async def _pause(self, seconds: float) -> float:
        """Sleep, and return how much longer than that it took."""
        began_s = self.host.clock.monotonic()
        await self.host.clock.sleep(seconds)
        return self.host.clock.monotonic() - began_s - seconds

    def _look(self, service_manager: NotifySocket) -> None:
        self._judge()
        now_s = self.host.clock.monotonic()
        words: dict[str, str] = {}
        sentence = self._sentence()
        if sentence != self._told:
            words["STATUS"] = sentence
        if now_s >= self._feed_at_s and not self._stuck:
            words["WATCHDOG"] = "1"
        if words and service_manager.send(**words):
            self._told = sentence
            if "WATCHDOG" in words:
                self._feed_at_s = now_s + self._feed_every_s

    def _judge(self) -> None:
        late = {name: turns.overdue_s for name, turns in self.host.loops().items()}
        stuck = tuple(sorted(name for name, late_s in late.items() if late_s > _LATE_S))
        for name in stuck:
            if name not in self._stuck:
                logger.error(
                    "The loop of the %s should have turned %.0f s ago: the watchdog is not fed",
                    name,
                    late[name],
                )
        for name in self._stuck:
            if name not in stuck:
                logger.info("The loop of the %s turns again", name)
        self._stuck = stuck

    async def _tell_stopping(self, service_manager: NotifySocket) -> None:
        await self.host.stopping.wait()
        service_manager.send(STOPPING="1", STATUS="stopping")
        # What follows is not told over this.
        self._tasks[0].cancel()

    def _sentence(self) -> str:
        parts = [f"{name} {state}" for name, state in self.host.states().items()]
        return ", ".join([*parts, *(f"the loop of the {name} hangs" for name in self._stuck)])
