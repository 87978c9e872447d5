"""From a document to the node being so: all of it, or what was there before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from edge_agent.camera.patches import difference
from edge_agent.camera.port import CameraPort
from edge_agent.camera.settings import CameraSettings
from edge_agent.contract.commands import Commands
from edge_agent.desired.document import Desired
from edge_agent.desired.steps import Steps, Undo
from edge_agent.errors import CameraUnavailableError, EdgeAgentError

__all__ = ["Reconciler"]

logger = logging.getLogger(__name__)


class Reconciler:
    """Carries documents out by commands, the same that anybody could send."""

    def __init__(self, *, camera: CameraPort, commands: Commands) -> None:
        self._camera = camera
        self._commands = commands

    async def bring_about(
        self, document: Desired, *, owned_schedules: frozenset[str], owned_profiles: frozenset[str]
    ) -> dict[str, Any]:
        """Do what the document says; return the paths and values that were read back.

        `owned_...` are those that earlier documents brought: what this one does not mention of them goes.
        Raises EdgeAgentError; then everything is as before, or the message says what is not.
        """
        if not self._camera.running:
            raise CameraUnavailableError("the camera is not there yet")
        cause = f"desired {document.version}"
        steps = Steps(document=document, commands=self._commands, cause=cause)
        before = self._camera.settings
        undos: list[Undo] = []
        try:
            for group in (steps.first(), steps.rest(owned_schedules=owned_schedules)):
                for step in group:
                    await step.check()
                for step in group:
                    undo = await step.do()
                    if undo is not None:
                        undos.append(undo)
            if document.profiles is not None:
                await steps.forget_profiles(owned_profiles - document.profiles.keys())
        except Exception as error:
            failed = await self._undo(undos, before, cause=cause)
            if failed and isinstance(error, EdgeAgentError):
                raise EdgeAgentError(
                    f"{error.message}; and what was before could not be put back: {'; '.join(failed)}",
                    code=error.code,
                    field=error.field,
                ) from error
            raise
        return steps.holds

    async def _undo(self, undos: Sequence[Undo], before: CameraSettings | None, *, cause: str) -> list[str]:
        """Put back in reverse what was there, the camera's settings last; return what could not be."""

        async def settings() -> None:
            now = self._camera.settings
            if before is not None and now is not None and (back := difference(now, before)):
                await self._camera.change(back, cause=f"{cause}, undone")

        failed: list[str] = []
        for undo in (*reversed(undos), settings):
            try:
                await undo()
            except EdgeAgentError as error:
                logger.warning("%s could not be undone: %s", cause, error.message)
                failed.append(error.message)
        return failed
