"""The agent's commands about itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Literal

from pydantic import Field

from edge_agent.contract.command import Arguments, Call, Command, Outcome, bound, command

__all__ = ["SystemCommands"]


class RestartArguments(Arguments):
    """What to restart."""

    target: Literal["agent", "camera", "stream"] = Field("agent", description="The whole agent, or a part")


class SystemCommands:
    """`refresh` and `restart`, by what the agent passes in."""

    def __init__(
        self,
        *,
        refresh: Callable[[], None],
        restart_agent: Callable[[], None],
        restart_camera: Callable[[str], Awaitable[None]],
        restart_stream: Callable[[str], Awaitable[None]],
        forever: Callable[[], Awaitable[None]],
    ) -> None:
        self._refresh = refresh
        self._restart_agent = restart_agent
        self._restart_camera = restart_camera
        self._restart_stream = restart_stream
        self._forever = forever

    def commands(self) -> Iterable[Command]:
        """Return both."""
        return tuple(bound(self))

    @command(name="refresh", changes=lambda _: False)
    async def refresh(self, call: Call) -> Outcome:
        """Publish every document again."""
        if not call.dry_run:
            self._refresh()
        return Outcome()

    @command(
        name="restart",
        arguments=RestartArguments,
        main="target",
        slow=True,
        interrupts_stream=True,
        ends_with_restart=True,
    )
    async def restart(self, call: Call) -> Outcome:
        """Restart the agent, or only the camera or the stream; answered when it is done."""
        target = call.arguments.target
        if call.dry_run:
            return Outcome(applied={"target": target})
        if target == "agent":
            self._restart_agent()
            # Never returns: this command is cancelled with the agent, and answered `done` by the next one.
            await self._forever()
        elif target == "camera":
            await self._restart_camera(call.cause)
        else:
            await self._restart_stream(call.cause)
        return Outcome(applied={"target": target})
