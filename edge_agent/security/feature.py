"""Tells of plain text beyond this machine, and takes up renewed certificates without a restart."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edge_agent.errors import EdgeAgentError, StorageError
from edge_agent.feature import Feature, Host
from edge_agent.mqtt.tls import tls_context
from edge_agent.mqtt.validity import Validity
from edge_agent.security.certificates import first_to_expire

__all__ = ["SecurityFeature", "is_loopback"]

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 60.0

# What tells one version of a file from another: inode, time of change and size.
_Marks = tuple[tuple[int, int, int] | None, ...]


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is certainly this machine; names are not looked up."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class SecurityFeature(Feature):
    """Watches over the way to the broker."""

    name = "security"

    def __init__(self, *, host: Host, config: None) -> None:
        super().__init__(host=host, config=config)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        mqtt = self.host.configuration.mqtt
        if mqtt.tls is None:
            self._tell_plain_text()
        else:
            marks = await asyncio.to_thread(self._marks)
            await self._tell_expiry()
            self._task = asyncio.get_running_loop().create_task(self._watch(marks), name="certificates")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _tell_plain_text(self) -> None:
        mqtt = self.host.configuration.mqtt
        if not is_loopback(mqtt.host) and not mqtt.allow_plain_text:
            what = "the password and all commands go" if mqtt.password else "all commands go"
            self.host.problems.set(
                "mqtt_plain_text", f"{what} to {mqtt.address} in plain text, for everybody on the way to read"
            )

    async def _watch(self, marks: _Marks) -> None:
        while True:
            await self.host.clock.sleep(_LOOK_EVERY_S)
            try:
                marks = await self._look(marks)
            except Exception:
                logger.exception("The certificates could not be looked at")

    async def _look(self, marks: _Marks) -> _Marks:
        """Look once; returns the marks of what is used from now on."""
        now = await asyncio.to_thread(self._marks)
        await self._tell_expiry()
        if now == marks:
            return marks
        tls = self.host.configuration.mqtt.tls
        try:
            if tls is not None:
                await asyncio.to_thread(tls_context, tls)
        except EdgeAgentError as error:
            # Certificate and key are two files: the other one may be on its way.
            self.host.problems.set("certificate_unusable", error.message)
            return marks
        self.host.problems.set("certificate_unusable", None)
        logger.info("The certificates have changed, the connection is made anew with them")
        self.host.reconnect("the certificates have changed")
        return now

    async def _tell_expiry(self) -> None:
        self.host.problems.set("certificate_expires", await asyncio.to_thread(self._expiring))
        shown, now = self.host.broker_certificate(), self.host.clock.now()
        told = None
        if shown is not None and shown.ends_soon(now):
            told = f"the certificate of {self.host.configuration.mqtt.address} {_ends(shown, now)}"
        self.host.problems.set("broker_certificate_expires", told)

    def _expiring(self) -> str | None:
        now = self.host.clock.now()
        tls = self.host.configuration.mqtt.tls
        wanted = () if tls is None else (("mqtt.tls.cert", tls.cert, True), ("mqtt.tls.ca", tls.ca, False))
        told = []
        for key, file, first_only in wanted:
            if file is None:
                continue
            try:
                validity = first_to_expire(file, first_only=first_only)
            except StorageError as error:
                told.append(f"{key}: {error.message}")
                continue
            if validity is not None and validity.ends_soon(now):
                told.append(f"{key} ({file}) {_ends(validity, now)}")
        return "; ".join(told) or None

    def _marks(self) -> _Marks:
        tls = self.host.configuration.mqtt.tls
        files = () if tls is None else (tls.ca, tls.cert, tls.key)
        return tuple(_mark(file) for file in files if file is not None)


def _ends(validity: Validity, now: datetime) -> str:
    word = "expired" if validity.ends_at < now else "expires"
    return f"{word} on {validity.ends_at:%Y-%m-%d at %H:%M} UTC"


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
