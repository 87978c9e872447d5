"""An installation under way: asked for, followed over the restart that it causes, and told how it ended."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from edge_agent.contract.command import Call, Outcome
from edge_agent.errors import EdgeAgentError, RefusedError, StorageError
from edge_agent.feature import Host
from edge_agent.updates.helper import Helper, Word
from edge_agent.updates.memory import Known, Pending
from edge_agent.updates.status import State

__all__ = ["Installation"]

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
# The helper writes of a request as soon as it has taken it.
_UNHEARD_S: Final = 30.0
# What its own limits come to, and some more.
_WHOLE_S: Final = 5400.0


class Installation:
    """The one installation that there can be at a time. `known` and `keep` are the feature's memory."""

    def __init__(
        self,
        *,
        host: Host,
        helper: Helper,
        known: Callable[[], Known],
        keep: Callable[[Known], Awaitable[None]],
    ) -> None:
        self._host = host
        self._helper = helper
        self._known = known
        self._keep = keep
        self._following: asyncio.Task[Outcome] | None = None
        self._followed: Pending | None = None
        self._tell_progress: Callable[[float], None] = lambda _share: None
        self.checking = False
        self.step: str | None = None
        self.progress: float | None = None

    @property
    def state(self) -> State:
        """What is done, or how the last one ended."""
        known = self._known()
        if known.pending is not None:
            return "installing"
        if self.checking:
            return "checking"
        if known.trouble is None:
            return "idle"
        return "failed" if known.trouble == "update_failed" else "rolled_back"

    def recall(self) -> None:
        """Go on with what an earlier agent began."""
        known = self._known()
        self._tell_trouble(known)
        if known.pending is not None:
            self._followed, self.progress = known.pending, 0.0
            self._following = asyncio.get_running_loop().create_task(
                self._follow(known.pending), name="update installation"
            )
            self._following.add_done_callback(_heard)

    async def close(self) -> None:
        """Stop following; the installation itself goes on."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def refuse_another(self) -> None:
        """Raise RefusedError where one is under way."""
        pending = self._known().pending
        if pending is not None:
            raise RefusedError(f"{pending.version} is being installed already", code="busy")

    def found(self, latest: str, known: Known) -> Known:
        """Return what is known: that one failed only as long as no other is the newest."""
        if known.trouble is None or known.target == latest:
            return known
        known = _with(known, trouble=None, message=None, target=None)
        self._tell_trouble(known)
        return known

    async def resumed(self, call: Call) -> Outcome:
        """Return how it ended, to the command of an earlier agent that began it. Raises as that would."""
        if self._following is None or self._followed is None or self._followed.cause != call.cause:
            raise EdgeAgentError(
                "the agent was restarted while this was under way; see `status`, then send it anew",
                code="interrupted",
            )
        self._tell_progress = call.progress
        return await asyncio.shield(self._following)

    async def begin(self, call: Call, *, version: str, previous: str) -> Outcome:
        """Have it installed and return how it ended. Raises EdgeAgentError where it did not end well."""
        self.refuse_another()
        pending = Pending(id=secrets.token_hex(8), version=version, previous=previous, cause=call.cause)
        before = self._known()
        try:
            # Kept before it is asked for: a kill in between must not lose it.
            await self._keep(_with(before, pending=pending, target=version, trouble=None, message=None))
            self._tell_progress = call.progress
            self._moved(Word(state="running", step="ask", progress=0))
            word = await self._asked(pending)
        except EdgeAgentError:
            # Nothing was touched: all is as it was before.
            await self._ended(before)
            raise
        return await self._concluded(pending, word or await self._awaited(pending))

    async def _asked(self, pending: Pending) -> Word | None:
        """Return the helper's last word, None where it comes by its file."""
        last = None
        async with self._helper.installing(id=pending.id, version=pending.version) as words:
            self._tell_trouble(self._known())
            self._host.events.emit("update", "installing", version=pending.version, previous=pending.previous)
            async for word in words:
                last = word
                self._moved(word)
        return last if last is not None and last.is_final else None

    async def _follow(self, pending: Pending) -> Outcome:
        return await self._concluded(pending, await self._awaited(pending))

    async def _awaited(self, pending: Pending) -> Word:
        """Return the helper's last word as its file has it, waiting for it within bounds."""
        clock = self._host.clock
        began_s = clock.monotonic()
        heard = False
        while True:
            word = await asyncio.to_thread(self._helper.last)
            if word is not None and word.id == pending.id:
                heard = True
                if word.is_final:
                    return word
                self._moved(word)
            waited_s = clock.monotonic() - began_s
            if not heard and waited_s > _UNHEARD_S:
                return Word(state="failed", message="the update helper never heard of it; send it anew")
            if waited_s > _WHOLE_S:
                return Word(
                    state="failed",
                    message="the helper does not say how it ended: 'journalctl -u edge-agent-update@*'",
                )
            await clock.sleep(_LOOK_EVERY_S)

    def _moved(self, word: Word) -> None:
        if (word.step, word.progress) == (self.step, self.progress) or word.is_final:
            return
        self.step, self.progress = word.step, word.progress
        self._host.status_changed()
        if word.progress is not None:
            self._tell_progress(word.progress)

    async def _concluded(self, pending: Pending, word: Word) -> Outcome:
        message = word.message or word.state
        versions = {"version": pending.version, "previous": pending.previous}
        if word.state == "done":
            await self._ended(_with(self._known(), pending=None))
            self._host.events.emit("update", "done", **versions)
            return Outcome(applied={"version": pending.version}, result={"message": message})
        if word.state == "rolled_back":
            await self._failed(pending, "update_rolled_back", message)
            self._host.events.emit("update", "rolled_back", **versions, message=message)
            raise EdgeAgentError(message, code="update_rolled_back")
        await self._failed(pending, "update_failed", message)
        self._host.events.emit("update", "failed", **versions, message=message)
        raise EdgeAgentError(message, code="update_failed")

    async def _failed(self, pending: Pending, trouble: str, message: str) -> None:
        told = {"target": pending.version, "trouble": trouble, "message": message}
        await self._ended(_with(self._known(), pending=None, **told))

    async def _ended(self, known: Known) -> None:
        self.step = self.progress = None
        self._tell_progress = lambda _share: None
        # First, so that no status says the one without the other.
        self._tell_trouble(known)
        try:
            await self._keep(known)
        except StorageError as error:
            logger.warning("How the update ended would not survive a restart: %s", error.message)
        self._host.status_changed()

    def _tell_trouble(self, known: Known) -> None:
        message = f"{known.target}: {known.message}"
        failed, rolled_back = known.trouble == "update_failed", known.trouble == "update_rolled_back"
        self._host.problems.set("update_failed", message if failed else None)
        self._host.problems.set("update_rolled_back", message if rolled_back else None)


def _with(known: Known, **changes: object) -> Known:
    return known.model_copy(update=changes)


def _heard(task: asyncio.Task[Outcome]) -> None:
    """It was told by an event and a problem, also where no command waits for it."""
    if not task.cancelled():
        task.exception()
