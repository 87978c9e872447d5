"""Asks MediaMTX's API about one path. Everything here blocks: it belongs on a thread of its own."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from edge_agent.errors import StreamError
from edge_agent.stream.server_view import COLLECTIONS, Answer, PathView, path_view, source_details

if TYPE_CHECKING:
    from requests import Session

__all__ = ["ServerApi"]

_CONNECT_TIMEOUT_S: Final = 1.0
_READ_TIMEOUT_S: Final = 1.0
_WHOLE_TIMEOUT_S: Final = 2.0
_MAX_BYTES: Final = 64 * 1024
_CHUNK_BYTES: Final = 8 * 1024
_ID: Final = re.compile(r"[0-9a-zA-Z-]{1,64}")


class _NotFoundError(Exception):
    """The API knows no such thing."""


class ServerApi:
    """The API at `base`, with a user and a password, a bearer token, or neither. Used by one thread."""

    def __init__(
        self,
        *,
        base: str,
        path: str,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        ca: Path | None = None,
    ) -> None:
        self._base = base.rstrip("/")
        self._path = path
        self._credentials = (username, password or "") if username is not None else None
        self._token = token
        self._ca = ca
        self._session: Session | None = None

    def __str__(self) -> str:
        return self._base

    def ask(self) -> Answer:
        """Return what the server says of the path, within about four seconds. Never raises."""
        import requests  # noqa: PLC0415 - loaded only where an API is configured

        try:
            return Answer(kind="ok", view=self._view())
        except _NotFoundError:
            return Answer(kind="missing", reason=f"the server at {self._base} has no path '{self._path}'")
        except StreamError as error:
            refused = error.code == "server_refused"
            return Answer(kind="refused" if refused else "nonsense", reason=error.message)
        except requests.exceptions.Timeout as error:
            self.close()
            # One that does not even take the connection may be a machine that is off.
            silent = not isinstance(error, requests.exceptions.ConnectTimeout)
            return Answer(
                kind="silent" if silent else "unreachable",
                reason=f"the API at {self._base} does not answer",
            )
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            self.close()
            # The exception's own text names the whole request, which is of no use to anybody here.
            return Answer(
                kind="unreachable",
                reason=f"the API at {self._base} cannot be reached: {type(error).__name__}",
            )

    def close(self) -> None:
        """Let go of the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _view(self) -> PathView:
        view = path_view(self._get(f"paths/get/{quote(self._path, safe='/')}"))
        source = view.source
        collection = COLLECTIONS.get(source.kind) if source else None
        if source is None or collection is None or not _ID.fullmatch(source.id):
            return view
        try:
            details = self._get(f"{collection}/get/{source.id}")
        except _NotFoundError:
            # It went in between.
            return view
        return PathView(
            online=view.online,
            readers=view.readers,
            inbound_bytes=view.inbound_bytes,
            outbound_bytes=view.outbound_bytes,
            tracks=view.tracks,
            source=source_details(source, details),
        )

    def _get(self, what: str) -> Any:
        """Return the answer's document. Raises what requests raises, _NotFoundError, or StreamError."""
        begin_s = time.monotonic()
        response = self._connected().get(
            f"{self._base}/v3/{what}",
            timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
            stream=True,
            allow_redirects=False,
        )
        with closing(response):
            if response.status_code == 404:
                self._read(response, begin_s)
                raise _NotFoundError
            if response.status_code in (401, 403):
                raise StreamError(
                    f"the API at {self._base} refuses this agent ({response.status_code}): "
                    "see stream.server.username, password and token",
                    code="server_refused",
                )
            if response.status_code != 200:
                raise StreamError(
                    f"the API at {self._base} answered {response.status_code}", code="server_nonsense"
                )
            content = self._read(response, begin_s)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise StreamError(f"{self._base} answers, but not as an API", code="server_nonsense") from error

    def _read(self, response: Any, begin_s: float) -> bytes:
        import requests  # noqa: PLC0415 - see ask()
        import urllib3  # noqa: PLC0415 - see ask()

        content = b""
        while True:
            try:
                # What has come, not a whole chunk: that would wait for each of its crumbs.
                chunk = response.raw.read1(_CHUNK_BYTES, decode_content=True)
            except urllib3.exceptions.TimeoutError as error:
                raise requests.exceptions.ReadTimeout("the answer broke off") from error
            except urllib3.exceptions.HTTPError as error:
                raise requests.exceptions.ConnectionError("the answer broke off") from error
            if not chunk:
                return content
            content += chunk
            if len(content) > _MAX_BYTES:
                raise StreamError(
                    f"the API at {self._base} answered with more than {_MAX_BYTES} bytes",
                    code="server_nonsense",
                )
            # A read's own limit starts anew with every crumb.
            if time.monotonic() - begin_s > _WHOLE_TIMEOUT_S:
                raise requests.exceptions.ReadTimeout("the answer takes too long")

    def _connected(self) -> Session:
        if self._session is None:
            from edge_agent.https import new_session  # noqa: PLC0415 - see ask()

            self._session = new_session(self._base, ca=self._ca)
            if self._credentials is not None:
                self._session.auth = self._credentials
            if self._token is not None:
                self._session.headers["Authorization"] = f"Bearer {self._token}"
        return self._session
