"""The camera's commands."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from edge_agent.camera.commands import SETTINGS_COMMANDS, SettingsCommand, change_outcome
from edge_agent.camera.service import CameraService
from edge_agent.contract.command import Arguments, Call, Command, Handler, Outcome, bound, command
from edge_agent.errors import CameraError, RefusedError

__all__ = ["CameraCommands"]


class FocusTriggerArguments(Arguments):
    """One scan."""

    timeout_s: float = Field(5.0, gt=0, le=30, description="How long the scan may take at most")


class CameraCommands:
    """What can be asked of the camera."""

    def __init__(self, *, camera: CameraService) -> None:
        self._camera = camera

    def commands(self) -> Iterable[Command]:
        """Return every command of the camera: the table of settings, and the methods below."""
        for settings_command in SETTINGS_COMMANDS:
            yield Command(settings_command.spec, self._changing(settings_command))
        yield from bound(self)

    def _changing(self, settings_command: SettingsCommand) -> Handler:
        async def change(call: Call) -> Outcome:
            if not call.given:
                raise RefusedError(
                    f"'{settings_command.spec.name}' needs at least one argument",
                    code="invalid_arguments",
                    allowed=sorted(settings_command.spec.arguments.model_fields),
                )
            current = self._camera.settings
            if current is None:
                raise CameraError("the camera has not been opened yet", code="camera_unavailable")
            given = call.arguments.model_dump(exclude_unset=True)
            changed = await self._camera.change(
                settings_command.patch(given, current),
                cause=call.cause,
                strict=call.strict,
                dry_run=call.dry_run,
            )
            return change_outcome(changed, settings_command)

        return change

    @command(name="focus_trigger", arguments=FocusTriggerArguments, main="timeout_s", slow=True)
    async def focus_trigger(self, call: Call) -> Outcome:
        """Run one autofocus scan and say how it ended."""
        capabilities = self._camera.capabilities
        if capabilities is not None and "focus.mode" not in capabilities.controls:
            reason = capabilities.unavailable.get("focus.mode", "this camera has no focus drive")
            raise RefusedError(f"{capabilities.model} cannot focus: {reason}", code="not_offered")
        if call.dry_run:
            return Outcome()
        outcome = await self._camera.trigger_focus(call.arguments.timeout_s)
        if outcome.state == "timeout":
            raise CameraError(
                f"the scan did not end within {call.arguments.timeout_s:g} s", code="focus_timeout"
            )
        return Outcome(result=outcome.model_dump())
