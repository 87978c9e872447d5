"""The wanted state as a feature: reads `desired`, brings the node to it, and says how that went."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ValidationError

from edge_agent.camera.patches import is_same
from edge_agent.camera.settings import flatten
from edge_agent.clock import rfc3339
from edge_agent.contract.status import Part
from edge_agent.desired.document import Desired, understood
from edge_agent.desired.memory import DesiredStatus, Fault, Memory
from edge_agent.desired.reconcile import Reconciler
from edge_agent.errors import CameraUnavailableError, EdgeAgentError, RefusedError
from edge_agent.feature import Feature, Host
from edge_agent.mqtt.message import Incoming
from edge_agent.saving import Saving
from edge_agent.storage import Remembered

__all__ = ["DesiredFeature"]

logger = logging.getLogger(__name__)

# All features have started by then: their commands are known.
_FIRST_AFTER_S: Final = 1.0
_RETRY_S: Final = (2.0, 4.0, 8.0, 15.0, 30.0)
# A camera that dies of a document is not made to die of it for ever.
_MAX_TRIES: Final = 3


class DesiredFeature(Feature):
    """Brings the node to the newest document, once; what is changed after that is shown, not fought."""

    name = "desired"
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {"desired": DesiredStatus}

    def __init__(self, *, host: Host, config: Any = None) -> None:
        super().__init__(host=host, config=config)
        self._reconciler = Reconciler(camera=host.camera, commands=host.commands)
        self._remembered = Remembered(path=host.configuration.state_dir / "desired.json", configured=None)
        self._saving = Saving(
            what="the wanted state", clock=host.clock, problem=partial(host.problems.set, "desired_not_saved")
        )
        self._known = Memory()
        self._ignored: dict[str, Any] | None = None
        self._payload: bytes | None = None
        self._something = asyncio.Event()
        self._streaming = False
        self._waits = 0
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        self._retry: asyncio.Task[None] | None = None
        self._deaf: Callable[[], None] = lambda: None

    def subscriptions(self) -> Mapping[str, Callable[[Incoming], None]]:
        """Return the document's topic."""
        return {self.host.topics.desired: self._receive}

    def status(self) -> Mapping[str, Part]:
        """Return how far the node is what it is wanted to be."""
        return {"desired": self._status}

    async def __aenter__(self) -> Self:
        self._deaf = self.host.events.listen(self._hear)
        await asyncio.to_thread(self._recall)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="desired")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deaf()
        tasks = [task for task in (self._task, self._retry) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._saving.close()

    def _receive(self, message: Incoming) -> None:
        # The newest one counts: one that was not looked at yet is out of date.
        self._payload = message.payload
        self._something.set()

    def _hear(self, kind: str, document: Mapping[str, Any]) -> None:
        if kind == "stream":
            self._streaming = document.get("event_type") != "stopped"

    async def _run(self) -> None:
        await self.host.clock.sleep(_FIRST_AFTER_S)
        if self._known.state == "pending":
            self._something.set()
        while True:
            await self._something.wait()
            self._something.clear()
            payload, self._payload = self._payload, None
            try:
                if payload is not None:
                    await self._take(payload)
                if self._known.state == "pending" and self._known.document is not None:
                    await self._bring_about(self._known.document)
            except Exception as error:
                logger.exception("The wanted state could not be dealt with")
                fault = Fault(code="internal", message=f"an unexpected {type(error).__name__}: {error}")
                await self._set(state="failed", error=fault)

    async def _take(self, payload: bytes) -> None:
        """Take a document up, or say why not."""
        self._ignored = None
        if not payload.strip():
            # What it brought is still known to be its own: a later document may let it go.
            await self._set(state="none", version=None, error=None, document=None, applied=None, holds={})
            return
        try:
            document = await asyncio.to_thread(understood, payload)
        except RefusedError as error:
            await self._set(state="failed", version=None, error=Fault.of(error), document=None)
            return
        if self.host.configuration.commands.read_only:
            fault = Fault(code="read_only", message="this node may only be looked at (commands.read_only)")
            await self._set(state="failed", version=document.version, error=fault, document=None)
            return
        applied = self._known.applied
        if applied is not None and document.version <= applied.version:
            await self._pass_over(document, applied)
            return
        waiting = self._known.document if self._known.state == "pending" else None
        if waiting is not None and document.version < waiting.version:
            self._ignore(document, f"version {waiting.version} is waiting to be applied")
            return
        self._waits = self._failures = 0
        await self._set(state="pending", version=document.version, error=None, document=document)

    async def _pass_over(self, document: Desired, applied: Desired) -> None:
        """Leave out a document that is not newer; what is there is what was brought about before."""
        if document == applied:
            reason = None
        elif document.version == applied.version:
            reason = "this version was applied with another content: a changed one needs a higher"
        else:
            reason = f"version {applied.version} was applied already"
        if reason is not None:
            self._ignore(document, reason)
        if self._known.state != "applied" or reason is not None:
            await self._set(state="applied", version=applied.version, error=None, document=applied)

    def _ignore(self, document: Desired, reason: str) -> None:
        self._ignored = {"version": document.version, "reason": reason}
        logger.warning("The wanted state %s is ignored: %s", document.version, reason)
        self.host.status_changed()

    async def _bring_about(self, document: Desired) -> None:
        known = self._known
        try:
            holds = await self._reconciler.bring_about(
                document, owned_schedules=known.owned_schedules, owned_profiles=known.owned_profiles
            )
        except EdgeAgentError as error:
            fault = Fault.of(error)
            unavailable = isinstance(error, CameraUnavailableError)
            self._failures += not unavailable
            if unavailable or (error.transient and self._failures < _MAX_TRIES):
                await self._set(state="pending", error=fault)
                self._try_again_later()
            else:
                await self._set(state="failed", error=fault)
            return
        schedules, profiles = known.owned_schedules, known.owned_profiles
        await self._set(
            state="applied",
            error=None,
            applied=document,
            applied_at=rfc3339(self.host.clock.now()),
            holds=holds,
            owned_schedules=schedules if document.schedules is None else frozenset(document.schedules),
            owned_profiles=profiles if document.profiles is None else frozenset(document.profiles),
        )

    def _try_again_later(self) -> None:
        wait_s = _RETRY_S[min(self._waits, len(_RETRY_S) - 1)]
        self._waits += 1

        async def later() -> None:
            await self.host.clock.sleep(wait_s)
            self._something.set()

        if self._retry is None or self._retry.done():
            self._retry = asyncio.get_running_loop().create_task(later(), name="desired, again")

    async def _set(self, **changes: Any) -> None:
        before = self._known
        self._known = known = before.model_copy(update=changes)
        host = self.host
        if (known.state, known.version, known.error) != (before.state, before.version, before.error):
            message = known.error.message if known.error else None
            host.events.emit("desired", known.state, version=known.version, message=message)
            if known.state == "failed":
                logger.warning("The wanted state %s failed: %s", known.version, message)
            failed = f"the wanted state {known.version}: {message}" if known.state == "failed" else None
            host.problems.set("desired_failed", failed)
        host.status_changed()
        await self._saving.save(partial(self._remembered.remember, known.model_dump(mode="json")))

    def _recall(self) -> None:
        try:
            self._known = Memory.model_validate(self._remembered.value() or {})
        except ValidationError as error:
            self._remembered.damaged(error)

    def _status(self) -> DesiredStatus:
        known = self._known
        return DesiredStatus(
            version=known.version,
            state=known.state,
            error=known.error,
            applied_version=known.applied.version if known.applied else None,
            applied_at=known.applied_at if known.applied else None,
            ignored=self._ignored,
            drift=self._drift(),
        )

    def _drift(self) -> dict[str, Any]:
        settings = self.host.camera.settings
        now = flatten(settings.model_dump(mode="json")) if settings is not None else {}
        now["stream.enabled"] = self._streaming
        return {
            path: {"wanted": wanted, "now": now[path]}
            for path, wanted in self._known.holds.items()
            if path in now and wanted is not None and not is_same(wanted, now[path])
        }
