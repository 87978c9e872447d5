"""From a profile to the camera and its stream: wholly, as far as it may be, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge_agent.camera.commands import change_outcome
from edge_agent.camera.limits import resolve, what_is_offered
from edge_agent.camera.patches import as_patch, defaults_of, difference, is_same
from edge_agent.camera.port import CameraPort
from edge_agent.camera.settings import CameraSettings, flatten, unflatten
from edge_agent.contract.command import Outcome
from edge_agent.contract.commands import Commands
from edge_agent.errors import CameraUnavailableError, EdgeAgentError, RefusedError
from edge_agent.profiles.profile import Wanted

__all__ = ["Applied", "Applier"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What applying came to; `holds` are the profile's own settings as they were read back."""

    outcome: Outcome
    holds: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    patch: dict[str, Any]
    left_out: dict[str, str]
    missing: dict[str, str]


class Applier:
    """`configured` are the settings that the configuration begins with."""

    def __init__(self, *, camera: CameraPort, commands: Commands, configured: Mapping[str, Any]) -> None:
        self._camera = camera
        self._commands = commands
        self._configured = configured

    async def apply(
        self, name: str, wanted: Wanted, *, cause: str, strict: bool = False, dry_run: bool = False
    ) -> Applied:
        """Apply settings, then the stream. Raises EdgeAgentError; then what was there before is there."""
        plan = self._plan(wanted)
        self._refuse_missing(name, plan)
        if strict:
            self._refuse_clamped(name, plan)
        if wanted.stream is not None:
            # What can be refused is refused before anything is touched.
            await self._switch_stream(wanted.stream, cause=cause, dry_run=True)
        before = self._camera.settings
        change = await self._camera.change(plan.patch, cause=cause, strict=strict, dry_run=dry_run)
        outcome = change_outcome(change)
        if wanted.stream is not None:
            if not dry_run:
                await self._stream_or_undo(wanted.stream, before, cause=cause)
            outcome = replace(outcome, applied={**outcome.applied, "stream.enabled": wanted.stream})
        if plan.left_out:
            outcome = replace(outcome, result={**outcome.result, "left_out": plan.left_out})
        own = {path for path, value in flatten(plan.patch).items() if value is not None}
        return Applied(
            outcome=outcome, holds={path: value for path, value in change.applied.items() if path in own}
        )

    def diff(self, wanted: Wanted) -> dict[str, Any]:
        """Return what applying would change, and what the camera cannot do of it."""
        plan = self._plan(wanted)
        capabilities, current = self._ready()
        resolution = resolve(plan.patch, current=current, capabilities=capabilities)
        then = flatten(resolution.settings.model_dump(mode="json"))
        now = flatten(current.model_dump(mode="json"))
        return {
            "changes": {
                path: {"now": now[path], "then": value}
                for path, value in sorted(then.items())
                if not is_same(now[path], value)
            },
            "stream": None if wanted.stream is None else {"enabled": wanted.stream},
            "left_out": plan.left_out,
            "impossible": plan.missing,
            "clamped_because": resolution.clamped,
            "interrupts_stream": resolution.interrupts,
        }

    def what_is_set(self, below: Wanted) -> dict[str, Any]:
        """Return the patch that, on top of `below` and the camera's defaults, comes to what holds now."""
        capabilities, current = self._ready()
        base = defaults_of(self._configured, capabilities)
        patch, _ = what_is_offered(below.patch, current=base, capabilities=capabilities)
        base = resolve(patch, current=base, capabilities=capabilities).settings
        offered = flatten(difference(base, current)).items()
        return unflatten({path: value for path, value in offered if path in capabilities.controls})

    def differing(self, holds: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return which of these settings hold something else by now."""
        settings = self._camera.settings
        if settings is None:
            return {}
        now = flatten(settings.model_dump(mode="json"))
        return {
            path: {"profile": value, "now": now[path]}
            for path, value in holds.items()
            if path in now and not is_same(value, now[path])
        }

    def _ready(self) -> tuple[Any, CameraSettings]:
        capabilities, current = self._camera.capabilities, self._camera.settings
        if capabilities is None or current is None:
            raise CameraUnavailableError("the camera has not been opened yet; what it can do is not known")
        return capabilities, current

    def _plan(self, wanted: Wanted) -> _Plan:
        capabilities, current = self._ready()
        patch = wanted.patch
        if wanted.reset:
            base = flatten(as_patch(defaults_of(self._configured, capabilities)))
            offered = wanted.reset & capabilities.controls.keys()
            patch = unflatten({**{p: v for p, v in base.items() if p in offered}, **flatten(patch)})
        possible, left_out = what_is_offered(patch, current=current, capabilities=capabilities)
        return _Plan(
            patch=possible,
            left_out={path: why for path, why in left_out.items() if path in wanted.optional},
            missing={path: why for path, why in left_out.items() if path not in wanted.optional},
        )

    def _refuse_missing(self, name: str, plan: _Plan) -> None:
        if not plan.missing:
            return
        capabilities, _ = self._ready()
        raise RefusedError(
            f"profile '{name}' cannot be applied to {capabilities.model}, and it is not partial: "
            + "; ".join(plan.missing.values()),
            code="not_offered",
            field=next(iter(plan.missing)),
        )

    def _refuse_clamped(self, name: str, plan: _Plan) -> None:
        capabilities, current = self._ready()
        clamped = resolve(plan.patch, current=current, capabilities=capabilities).clamped
        if clamped:
            reasons = "; ".join(f"'{path}' ({why})" for path, why in clamped.items())
            raise RefusedError(
                f"of profile '{name}' would have to be clamped: {reasons}",
                code="out_of_range",
                field=next(iter(clamped)),
            )

    async def _switch_stream(self, enabled: bool, *, cause: str, dry_run: bool) -> None:
        action = "start" if enabled else "stop"
        await self._commands.execute("stream", {"action": action}, cause=cause, dry_run=dry_run)

    async def _stream_or_undo(self, enabled: bool, before: CameraSettings | None, *, cause: str) -> None:
        try:
            await self._switch_stream(enabled, cause=cause, dry_run=False)
        except EdgeAgentError:
            after = self._camera.settings
            if before is not None and after is not None:
                try:
                    await self._camera.change(difference(after, before), cause=f"{cause}, undone")
                except EdgeAgentError as error:
                    logger.warning("What a profile had set could not be taken back: %s", error.message)
            raise
