"""What is asked for, and what is told: over the connection, and in a file that the agent reads."""

from __future__ import annotations

import json
import os
import pwd
import re
import socket
import struct
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

USER: Final = "edge-agent"
STATE: Final = Path("/var/lib/edge-agent-update")
# As Debian's policy has it. Begins with a digit, so that it is no option; ends with no sign, which apt-get
# would take for one of its own.
VERSION: Final = re.compile(r"(?:[0-9]{1,3}:)?[0-9](?:[A-Za-z0-9.+~-]{0,62}[A-Za-z0-9~])?")
ID: Final = re.compile(r"[0-9a-f]{1,32}")
MAX_REQUEST_BYTES: Final = 1024
REQUEST_S: Final = 5.0


class RefusedError(Exception):
    """It is not done, and nothing was touched."""


class FailedError(Exception):
    """It went wrong."""


@dataclass(frozen=True)
class Update:
    """What is under way; kept on the disk, so that a power cut leaves nothing half done."""

    id: str
    version: str
    previous: str
    units: list[str]


def parse_request(line: bytes) -> dict[str, str]:
    """Return what is asked for. Raises RefusedError for anything but the two requests that there are."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RefusedError("the request is no JSON") from error
    if request == {"action": "refresh"}:
        return {"action": "refresh"}
    if (
        not isinstance(request, dict)
        or set(request) != {"action", "id", "version"}
        or request["action"] != "install"
    ):
        raise RefusedError("there are the actions install (with id and version) and refresh")
    for key, pattern in (("id", ID), ("version", VERSION)):
        if not isinstance(request[key], str) or pattern.fullmatch(request[key]) is None:
            raise RefusedError(f"the {key} is not one")
    return {key: request[key] for key in ("action", "id", "version")}


def read_request(connection: socket.socket) -> dict[str, str]:
    """Return what the other side asks for. Raises RefusedError, also for others than the agent's user."""
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid not in (0, pwd.getpwnam(USER).pw_uid):
        raise RefusedError(f"only the user {USER} may ask")
    connection.settimeout(REQUEST_S)
    line = b""
    while not line.endswith(b"\n"):
        more = connection.recv(MAX_REQUEST_BYTES + 1 - len(line))
        line += more
        if not more or len(line) > MAX_REQUEST_BYTES:
            raise RefusedError(f"a request is one line of at most {MAX_REQUEST_BYTES} bytes")
    return parse_request(line)


def write_whole(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a file that all may read."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
        os.fchmod(file.fileno(), 0o644)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)


class Report:
    """Tells the agent how it goes: over the connection while it is there, and by result.json."""

    def __init__(self, connection: socket.socket | None, update: Update | None = None) -> None:
        self.connection = connection
        self.update = update

    def tell(self, state: str, **facts: Any) -> None:
        """Say a state."""
        document: dict[str, Any] = {"state": state, **facts}
        print(json.dumps(document), file=sys.stderr, flush=True)  # noqa: T201 - the journal has it
        if self.update is not None and state != "accepted":
            about = {key: getattr(self.update, key) for key in ("id", "version", "previous")}
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            try:
                write_whole(STATE / "result.json", {**about, "time": now, **document})
            except OSError as error:
                # A full disk is no reason to leave an update half done.
                print(f"result.json cannot be written: {error}", file=sys.stderr, flush=True)  # noqa: T201 - see above
        if self.connection is not None:
            try:
                self.connection.sendall(json.dumps(document).encode() + b"\n")
            except OSError:
                # The agent is being replaced, or does not read: what follows it reads from the file.
                self.connection = None
                if state == "accepted":
                    raise RefusedError("who asked has gone") from None

    def step(self, step: str, progress: float) -> None:
        """Say how far it is."""
        self.tell("running", step=step, progress=progress)
