"""The helper with root's rights, as the agent sees it: a socket that is asked, and a file with how it went.

It is a program of its own (systemd/update), which decides by itself; systemd has its socket only where the
machine's owner allowed that. It outlives the agent, whose restart is part of what it does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from edge_agent.errors import EdgeAgentError, RefusedError
from edge_agent.masking import mask_text

__all__ = ["Helper", "Word"]

_CONNECT_S: Final = 5.0
# It looks at every unit of the agent's before it answers.
_FIRST_WORD_S: Final = 60.0
_REFRESH_S: Final = 300.0
_MAX_LINE_BYTES: Final = 16 * 1024


class Word(BaseModel):
    """What the helper says; `id`, `version` and `previous` only in its file."""

    model_config = ConfigDict(frozen=True)

    state: Literal["accepted", "running", "refused", "done", "failed", "rolled_back"]
    step: str | None = Field(None, max_length=64)
    progress: float | None = Field(None, ge=0, le=1)
    message: str | None = Field(None, max_length=2000)
    id: str | None = Field(None, max_length=64)
    version: str | None = Field(None, max_length=128)

    @field_validator("message")
    @classmethod
    def _without_secrets(cls, message: str | None) -> str | None:
        # apt may name an archive with its password.
        return None if message is None else mask_text(message)

    @property
    def is_final(self) -> bool:
        """Whether no other follows."""
        return self.state not in ("accepted", "running")


class Helper:
    """The helper behind `socket`, and its file `result`."""

    def __init__(
        self,
        *,
        socket: Path = Path("/run/edge-agent-update.sock"),
        result: Path = Path("/var/lib/edge-agent-update/result.json"),
    ) -> None:
        self.socket = socket
        self._result = result

    @property
    def is_there(self) -> bool:
        """Whether there is one to ask."""
        try:
            return self.socket.is_socket()
        except OSError:
            return False

    async def refresh(self) -> None:
        """Have the archives' lists read anew. Raises EdgeAgentError."""
        async with self._asked({"action": "refresh"}) as words:
            try:
                async with asyncio.timeout(_REFRESH_S):
                    async for word in words:
                        if word.state == "failed":
                            raise EdgeAgentError(word.message or "apt failed", code="update_source_failed")
            except TimeoutError as error:
                raise EdgeAgentError(
                    f"apt takes longer than {_REFRESH_S:.0f} s", code="update_source_failed"
                ) from error

    @asynccontextmanager
    async def installing(self, *, id: str, version: str) -> AsyncIterator[AsyncIterator[Word]]:  # noqa: A002 - as sent
        """Have a version installed: within this it is under way, and its words come until it is cut off.

        Raises RefusedError where it is not done, EdgeAgentError where nobody answers.
        """
        async with self._asked({"action": "install", "id": id, "version": version}) as words:
            yield words

    def last(self) -> Word | None:
        """Return what the file says, None where that is nothing; blocks for the disk."""
        try:
            with self._result.open("rb") as file:
                return Word.model_validate_json(file.read(_MAX_LINE_BYTES))
        except (OSError, ValidationError):
            return None

    @asynccontextmanager
    async def _asked(self, request: Mapping[str, str]) -> AsyncIterator[AsyncIterator[Word]]:
        writer: asyncio.StreamWriter | None = None
        try:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    reader, writer = await asyncio.open_unix_connection(self.socket, limit=_MAX_LINE_BYTES)
                    writer.write(json.dumps(request).encode() + b"\n")
                    await writer.drain()
                async with asyncio.timeout(_FIRST_WORD_S):
                    first = _word(await reader.readline())
            except (OSError, TimeoutError, ValueError) as error:
                raise EdgeAgentError(
                    "the update helper does not answer: see 'journalctl -u edge-agent-update@*'",
                    code="update_failed",
                ) from error
            if first is None or first.state != "accepted":
                message = (first.message if first else None) or "the update helper broke off"
                raise RefusedError(message, code="update_refused")
            yield self._rest(reader)
        finally:
            if writer is not None:
                writer.close()

    @staticmethod
    async def _rest(reader: asyncio.StreamReader) -> AsyncIterator[Word]:
        while True:
            try:
                word = _word(await reader.readline())
            except (OSError, ValueError):
                return
            if word is None:
                return
            yield word


def _word(line: bytes) -> Word | None:
    try:
        return Word.model_validate_json(line) if line else None
    except ValidationError as error:
        raise ValueError("the helper says what cannot be understood") from error
