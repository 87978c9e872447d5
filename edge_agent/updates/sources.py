"""Who tells the newest version: apt, by what the machine knows of its archives, or a URL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from edge_agent import __version__
from edge_agent.errors import EdgeAgentError
from edge_agent.masking import mask_url
from edge_agent.updates.versions import is_newer, is_version

__all__ = ["Apt", "Told", "ask_url"]

_PACKAGE: Final = "edge-agent"
# A service is started while its package is still being configured.
_PRESENT: Final = ("installed", "half-configured", "unpacked", "triggers-awaited", "triggers-pending")
_DPKG_S: Final = 10.0
# It makes its cache anew in memory where it cannot write it, which takes seconds on a small machine.
_APT_S: Final = 60.0
_CANDIDATE: Final = re.compile(r"^ +Candidate: (\S+)$", re.MULTILINE)

_CONNECT_S: Final = 5.0
_READ_S: Final = 5.0
_WHOLE_S: Final = 15.0
_MAX_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 16 * 1024
_MAX_SUMMARY: Final = 255
_MAX_URL: Final = 2048


@dataclass(frozen=True, kw_only=True)
class Told:
    """The newest version, and what is told of it."""

    version: str
    summary: str | None = None
    url: str | None = None


class Apt:
    """The Debian package, by the programs on `path`; `code` is a file of the program that runs."""

    def __init__(self, *, path: str, code: Path) -> None:
        self._environ = {"PATH": path, "LC_ALL": "C"}
        self._code = code

    async def installed(self) -> str | None:
        """Return the package's version; None where this program did not come by it."""
        wanted = "--showformat=${db:Status-Status} ${Version}"
        answer = await self._run("dpkg-query", "--show", wanted, _PACKAGE, limit_s=_DPKG_S)
        state, _, version = (answer or "").strip().partition(" ")
        if state not in _PRESENT or not is_version(version):
            return None
        # On a machine that has the package another installation may be what runs.
        files = await self._run("dpkg-query", "--listfiles", _PACKAGE, limit_s=_DPKG_S)
        return version if str(self._code) in (files or "").splitlines() else None

    async def candidate(self) -> Told:
        """Return what apt would install. Raises EdgeAgentError where it knows of none."""
        answer = await self._run("apt-cache", "policy", _PACKAGE, limit_s=_APT_S)
        found = None if answer is None else _CANDIDATE.search(answer)
        if found is None or not is_version(found[1]):
            raise EdgeAgentError(
                f"apt knows no version of {_PACKAGE}: see 'apt-cache policy {_PACKAGE}'",
                code="update_source_failed",
            )
        return Told(version=found[1])

    async def is_newer(self, version: str, than: str) -> bool:
        """Whether a version comes after another, by dpkg where there is one."""
        answer = await self._run("dpkg", "--compare-versions", version, "gt", than, limit_s=_DPKG_S)
        if answer is not None:
            return True
        backwards = await self._run("dpkg", "--compare-versions", version, "le", than, limit_s=_DPKG_S)
        return backwards is None and is_newer(version, than)

    async def _run(self, *command: str, limit_s: float) -> str | None:
        """Return what a program wrote; None where it is missing, fails, or takes too long."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=self._environ,
            )
        except OSError:
            return None
        try:
            async with asyncio.timeout(limit_s):
                output, _ = await process.communicate()
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return output.decode(errors="replace") if process.returncode == os.EX_OK else None


def ask_url(url: str, ca: Path | None) -> Told:
    """Return what a URL tells; blocks for at most some 20 s. Raises EdgeAgentError.

    The answer is `{"version": "1.2.3", "summary": "…", "url": "…"}`, or as GitHub's API tells a release.
    """
    import requests  # noqa: PLC0415 - loaded only where a URL is configured

    try:
        content = _content(url, ca)
    except (requests.exceptions.RequestException, OSError, ValueError) as error:
        # The exception's own text names the whole request, secrets included.
        raise _failed(url, f"cannot be reached: {type(error).__name__}") from error
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _failed(url, "does not answer with JSON") from error
    if not isinstance(document, dict):
        raise _failed(url, "does not answer with an object")
    version = document.get("version", document.get("tag_name"))
    if isinstance(version, str):
        version = version.strip().removeprefix("v")
    if not is_version(version):
        raise _failed(url, "tells no version")
    return Told(
        version=str(version),
        summary=_text(document.get("summary", document.get("name"))),
        url=_link(document.get("url") if "version" in document else document.get("html_url")),
    )


def _content(url: str, ca: Path | None) -> bytes:
    import requests  # noqa: PLC0415 - see above

    from edge_agent.https import new_session  # noqa: PLC0415 - see above

    deadline = time.monotonic() + _WHOLE_S
    with new_session(url, ca=ca) as session:
        response = session.get(
            url,
            headers={"Accept": "application/json", "User-Agent": f"edge-agent/{__version__}"},
            timeout=(_CONNECT_S, _READ_S),
            allow_redirects=False,
            stream=True,
        )
        with response:
            if response.status_code != requests.codes.ok:
                raise _failed(url, f"answers {response.status_code}")
            content = b""
            for chunk in response.iter_content(_CHUNK_BYTES):
                content += chunk
                if len(content) > _MAX_BYTES:
                    raise _failed(url, f"answers with more than {_MAX_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise _failed(url, f"takes longer than {_WHOLE_S:.0f} s")
            return content


def _failed(url: str, what: str) -> EdgeAgentError:
    return EdgeAgentError(f"the source of updates {mask_url(url)} {what}", code="update_source_failed")


def _text(value: Any) -> str | None:
    return value[:_MAX_SUMMARY] if isinstance(value, str) and value else None


def _link(value: Any) -> str | None:
    """Return an address that Home Assistant takes, too: another one would cost it the whole state."""
    if not isinstance(value, str) or len(value) > _MAX_URL or not value.isprintable():
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("https", "http") and parts.hostname else None
