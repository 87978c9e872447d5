"""`update`: looks for a newer version of the agent, and has it installed where that is allowed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

import edge_agent
from edge_agent import __version__
from edge_agent.clock import rfc3339
from edge_agent.contract.command import Arguments, Call, Outcome, command
from edge_agent.contract.entity import Entity
from edge_agent.contract.status import Part
from edge_agent.errors import EdgeAgentError, RefusedError, StorageError
from edge_agent.feature import Feature, Host
from edge_agent.mqtt.message import Outgoing
from edge_agent.updates.config import UpdatesConfig
from edge_agent.updates.helper import Helper
from edge_agent.updates.installation import Installation
from edge_agent.updates.memory import Known, Memory
from edge_agent.updates.online import OnlineMark
from edge_agent.updates.sources import Apt, Told, ask_url
from edge_agent.updates.status import UpdatesStatus
from edge_agent.updates.versions import VERSION_PATTERN, is_newer

__all__ = ["UpdatesFeature"]

logger = logging.getLogger(__name__)

# A start has better things to do; and a fleet that was switched on at once asks at different times.
_FIRST_LOOK_S: Final = (60.0, 600.0)
_JITTER: Final = 0.1
_ALLOW: Final = "'sudo edge-agent-setup --allow-updates' allows it"


class UpdateArguments(Arguments):
    """What to do."""

    action: Literal["check", "install"] = Field(
        "check", description="Look for a newer version, or install it"
    )
    version: str | None = Field(
        None, pattern=VERSION_PATTERN, description="Which one to install; without it the newest"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.version is not None and self.action == "check":
            raise ValueError("'version' goes with the action install")
        return self


class UpdatesFeature(Feature):
    """Tells the installed and the newest version, and installs."""

    name = "updates"
    section = UpdatesConfig
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {"updates": UpdatesStatus}

    def __init__(
        self,
        *,
        host: Host,
        config: UpdatesConfig,
        path: str | None = None,
        helper: Helper | None = None,
        code: Path | None = None,
    ) -> None:
        super().__init__(host=host, config=config)
        self._apt = Apt(
            path=path or os.environ.get("PATH", os.defpath), code=code or Path(edge_agent.__file__)
        )
        self._helper = helper or Helper()
        self._memory = Memory(host.configuration.state_dir / "updates.json")
        self._known = Known()
        self._package: str | None = None
        self._newer: bool | None = None
        self._error: str | None = None
        self._looking = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._mark = OnlineMark(os.environ.get("RUNTIME_DIRECTORY"))
        self._installation = Installation(host=host, helper=self._helper, known=self._get, keep=self._keep)

    async def __aenter__(self) -> Self:
        self._known = await asyncio.to_thread(self._memory.recall)
        self._installation.recall()
        return self

    def ready(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="updates")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._mark.close()
        await self._installation.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def retained(self) -> Iterable[Outgoing]:
        """Return nothing; it is asked for at a birth, which is what the helper waits for."""
        if self.host.online():
            self._mark.set()
        return ()

    def status(self) -> Mapping[str, Part]:
        """Return which versions there are, and what is done."""
        return {"updates": self._status}

    def entities(self) -> Iterable[Entity]:
        """Return the update; it can be installed only where that is allowed."""
        may = self._obstacle() is None and "update" in self.host.commands
        yield Entity(
            key="agent",
            platform="update",
            name="Agent",
            path="updates.installed",
            latest="updates.latest",
            progress="updates.progress",
            summary="updates.summary",
            link="updates.url",
            command="update" if may else None,
            on={"action": "install"} if may else None,
            category="diagnostic",
        )

    @command(
        name="update",
        arguments=UpdateArguments,
        main="action",
        slow=True,
        resumes=True,
        interrupts_stream=True,
        changes=lambda arguments: bool(arguments.action == "install"),
    )
    async def update(self, call: Call) -> Outcome:
        """Look for a newer version of the agent, or install it; what does not come online is taken back."""
        if call.resumed:
            return await self._installation.resumed(call)
        if call.arguments.action == "install":
            return await self._install(call)
        if not call.dry_run:
            await self._look()
        return Outcome(result=self._found())

    async def _install(self, call: Call) -> Outcome:
        await self._identify()
        obstacle = self._obstacle()
        if obstacle is not None:
            raise RefusedError(f"nothing can be installed: {obstacle}", code="update_not_allowed")
        self._installation.refuse_another()
        version: str | None = call.arguments.version
        if version is None:
            if self._known.latest is None:
                await self._look()
            version = self._known.latest
        if version is None:
            raise RefusedError(
                "no newest version is known: name one by 'version', or see updates.source",
                code="update_source_failed",
            )
        if version == self._installed:
            return Outcome(applied={"version": version}, result={"message": f"{version} is installed"})
        if not await self._is_newer(version):
            raise RefusedError(
                f"{version} is not newer than {self._installed}, which is installed: "
                f"'sudo apt install --allow-downgrades edge-agent={version}' goes back",
                code="update_refused",
                field="version",
                value=version,
            )
        if call.dry_run:
            return Outcome(applied={"version": version})
        return await self._installation.begin(call, version=version, previous=self._installed)

    async def _run(self) -> None:
        host = self.host
        await self._identify()
        await self._compare()
        host.status_changed()
        host.entities_changed()
        if self._source is None:
            return
        interval_s = self.config.check_interval_h * 3600
        wait_s = host.random.uniform(*_FIRST_LOOK_S)
        if self._known.checked_at is not None:
            due = self._known.checked_at + timedelta(seconds=interval_s)
            # A clock that was set back makes a last look of the future.
            wait_s = max(wait_s, min(interval_s, (due - host.clock.now()).total_seconds()))
        while True:
            await host.clock.sleep(wait_s)
            wait_s = interval_s * host.random.uniform(1 - _JITTER, 1 + _JITTER)
            try:
                await self._look()
            except EdgeAgentError as error:
                logger.warning("Newer versions cannot be looked for: %s", error.message)

    async def _look(self) -> None:
        """Ask for the newest version. Raises EdgeAgentError."""
        async with self._looking:
            self._installation.checking = True
            self.host.status_changed()
            try:
                told = await self._ask()
            except EdgeAgentError as error:
                self._error = error.message
                raise
            else:
                self._error = None
                await self._take(told)
            finally:
                self._installation.checking = False
                self.host.status_changed()
                self.host.entities_changed()

    async def _ask(self) -> Told:
        await self._identify()
        source = self._source
        if source == "url" and self.config.url is not None:
            return await asyncio.to_thread(ask_url, self.config.url, self.config.ca)
        if source is None:
            raise RefusedError(
                "nobody tells newer versions here: set updates.url, or install the Debian package",
                code="update_source_failed",
            )
        if self._helper.is_there:
            try:
                await self._helper.refresh()
            except EdgeAgentError as error:
                # What the machine's own timer has read is better than nothing.
                logger.warning("The archives' lists cannot be read anew: %s", error.message)
        return await self._apt.candidate()

    async def _take(self, told: Told) -> None:
        host = self.host
        found = {"latest": told.version, "summary": told.summary, "url": told.url}
        self._known = self._known.model_copy(
            update={**found, "source": self._source, "checked_at": host.clock.now()}
        )
        self._known = self._installation.found(told.version, self._known)
        await self._compare()
        if self._newer and self._known.announced != told.version:
            self._known = self._known.model_copy(update={"announced": told.version})
            host.events.emit("update", "available", installed=self._installed, **found)
        try:
            await self._keep(self._known)
        except StorageError as error:
            logger.warning("What was found would not survive a restart: %s", error.message)

    async def _compare(self) -> None:
        latest = self._known.latest
        self._newer = None if latest is None else await self._is_newer(latest)

    async def _is_newer(self, version: str) -> bool:
        # A package's version is ordered by Debian's rules, which put 1.0rc1 after 1.0.
        if self._package is None:
            return is_newer(version, __version__)
        return await self._apt.is_newer(version, self._package)

    async def _identify(self) -> None:
        self._package = await self._apt.installed()

    def _get(self) -> Known:
        return self._known

    async def _keep(self, known: Known) -> None:
        self._known = known
        async with self._writing:
            # By now it may know more; an older one must never be the last that is written.
            await asyncio.to_thread(self._memory.remember, self._known)

    @property
    def _installed(self) -> str:
        return self._package or __version__

    @property
    def _source(self) -> Literal["apt", "url"] | None:
        wanted = self.config.source
        if self._package is not None and wanted in ("auto", "apt"):
            return "apt"
        return "url" if self.config.url is not None and wanted in ("auto", "url") else None

    def _obstacle(self) -> str | None:
        """Return why nothing can be installed, and what to do about that; None where it can."""
        if not self.config.install:
            return f"updates.install is false; {_ALLOW}"
        if self._package is None:
            return "this agent did not come as a Debian package: update it the way it was installed"
        if not self._helper.is_there:
            return f"edge-agent-update.socket does not run; {_ALLOW}"
        return None

    def _found(self) -> dict[str, Any]:
        status = self._status()
        return {name: getattr(status, name) for name in ("installed", "latest", "newer", "summary", "url")}

    def _status(self) -> UpdatesStatus:
        known, installation, obstacle = self._known, self._installation, self._obstacle()
        # What another source said counts no more.
        latest = known.latest if known.source == self._source else None
        return UpdatesStatus(
            installed=self._installed,
            latest=self._installed if latest is not None and self._newer is False else latest,
            newer=None if latest is None else self._newer,
            source=self._source,
            state=installation.state,
            target=known.target,
            step=installation.step,
            progress=installation.progress,
            installable=obstacle is None,
            obstacle=obstacle,
            checked_at=None if known.checked_at is None else rfc3339(known.checked_at),
            error=self._error or known.message,
            summary=known.summary if latest is not None else None,
            url=known.url if latest is not None else None,
        )
