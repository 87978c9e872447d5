"""The agent's end of the channel to a child."""

from __future__ import annotations

import asyncio
import socket

from edge_agent.errors import ProcessError
from edge_agent.processes.channel import LENGTHS, Message, decode, encode, lengths

__all__ = ["AgentChannel"]


class AgentChannel:
    """The agent's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> AgentChannel:
        """Take over a socket's end."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def receive(self) -> Message | None:
        """Return the next message, None at the end. Raises ProcessError on nonsense."""
        try:
            json_bytes, attachment_bytes = lengths(await self._reader.readexactly(LENGTHS.size))
            document = await self._reader.readexactly(json_bytes)
            attachment = await self._reader.readexactly(attachment_bytes) if attachment_bytes else b""
        except (asyncio.IncompleteReadError, OSError):
            return None
        return decode(document, attachment)

    def send(self, message: Message) -> None:
        """Send without waiting; the few and small messages to a child are bounded by who sends them."""
        if self._writer.is_closing():
            raise ProcessError(f"the child is gone, '{message.kind}' was not sent")
        self._writer.write(encode(message))

    def close(self) -> None:
        """Close this end; the child sees the end of its input and exits."""
        self._writer.close()
