"""HTTP by requests, held to what an upload may do. Imported by the worker threads only: it is heavy.

Connections go where the dialer lets them, no proxy or .netrc of the environment has a say, no redirection
is followed by itself, no cookie is kept, and of an answer no more than 64 KiB are read.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from edge_agent.errors import UploadError
from edge_agent.snapshots.upload.answers import Answer
from edge_agent.snapshots.upload.body import BLOCK, Body
from edge_agent.snapshots.upload.dialer import Dialer
from edge_agent.snapshots.upload.target import Target, parse_target

__all__ = ["Client"]

_MAX_ANSWER_BYTES: Final = 65_536
_MAX_INTERIM: Final = 20


class Client:
    """One worker's connections to servers, kept alive from picture to picture.

    `context` is for HTTPS, and needed for that only. `timeouts` are the seconds to connect and to read.
    """

    def __init__(
        self,
        *,
        dialer: Dialer,
        context: ssl.SSLContext | None,
        timeouts: tuple[float, float],
        digest: HTTPDigestAuth | None,
        user_agent: str,
    ) -> None:
        self._timeouts = timeouts
        self._lifeline = dialer.lifeline
        self._digest = digest
        self._headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        # Without a session around it: that would read proxies and .netrc, follow, and keep cookies.
        self._adapter = _Adapter(dialer=dialer, context=context, timeouts=timeouts)

    def request(
        self, method: str, target: Target, *, headers: Mapping[str, str | bytes], body: Body | None = None
    ) -> Answer:
        """Send one request and return the answer, whatever it says. Raises UploadError."""
        self._lifeline.extend(sum(self._timeouts))
        said = _merged(self._headers, headers)
        try:
            if self._digest is None:
                answer = self._adapter.exchange(method, target, said, body)
                status, told = answer.status, dict(answer.headers)
            else:
                response = self._challenged(method, target, said, body)
                status, told = response.status_code, dict(response.headers)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
        ) as error:
            raise self._translated(target, error) from error
        return Answer(status=status, headers={name.lower(): value for name, value in told.items()})

    def _challenged(
        self, method: str, target: Target, headers: Mapping[str, str | bytes], body: Body | None
    ) -> requests.Response:
        """Send a request as one who can be challenged: digest asks for all that requests knows of it."""
        prepared = requests.PreparedRequest()
        prepared.prepare(method=method, url=target.raw, headers=headers, data=body, auth=self._digest)
        # What is sent must be what was checked, however requests reads a URL.
        sent = parse_target(str(prepared.url))
        if sent.origin != target.origin:
            raise UploadError(f"{target.shown} is read as {sent.shown}", code="bad_answer")
        response = self._adapter.send(prepared, timeout=self._timeouts)
        # It answers to a challenge in such a hook.
        for hook in prepared.hooks["response"]:
            following = hook(response, timeout=self._timeouts)
            response = response if following is None else following
        return response

    def close(self) -> None:
        """Let go of every connection."""
        self._adapter.close()

    def _translated(self, target: Target, error: BaseException) -> UploadError:
        """Return the error in words of our own: those of requests hold the whole URL."""
        server = f"{target.host}:{target.port}"
        chain = list(_chain(error))
        if self._lifeline.is_cut:
            return UploadError(f"{server} took too long", code="timeout")
        for cause in chain:
            if isinstance(cause, ssl.SSLError):
                why = getattr(cause, "verify_message", "") or cause.reason or "TLS failed"
                return UploadError(f"no TLS with {server}: {why}", code="tls_failed")
        if any(isinstance(cause, TimeoutError | requests.Timeout) for cause in chain):
            return UploadError(f"{server} did not answer in {self._timeouts[1]:g} s", code="timeout")
        for cause in chain:
            if isinstance(cause, ConnectionError) or (isinstance(cause, OSError) and cause.errno):
                why = cause.strerror or "the connection ended before the answer"
                return UploadError(f"{server} broke off: {why}", code="broke_off")
        kind = type(chain[-1]).__name__
        return UploadError(f"{server} does not answer as HTTP says ({kind})", code="bad_answer")


class _Adapter(HTTPAdapter):
    """Dials by the dialer, uses the context as it is, and cuts answers short."""

    def __init__(
        self, *, dialer: Dialer, context: ssl.SSLContext | None, timeouts: tuple[float, float]
    ) -> None:
        self._dialer = dialer
        self._context = context
        self._timeout = urllib3.Timeout(connect=timeouts[0], read=timeouts[1])
        self._read_s = timeouts[1]
        super().__init__(pool_connections=4, pool_maxsize=1, max_retries=0)

    def exchange(
        self, method: str, target: Target, headers: dict[str, str | bytes], body: Body | None
    ) -> urllib3.BaseHTTPResponse:
        """Send one request to where a checked target says, and return its answer, its body done with.

        Of what `send` does this is what is left when nothing is to be found out: neither is the URL read anew
        nor a request and a response made that nobody looks at, which takes longer than all the rest.
        """
        if body is not None:
            headers["Content-Length"] = str(len(body))
        elif method != "HEAD":
            headers["Content-Length"] = "0"
        pool = self.poolmanager.connection_from_host(target.authority_host, target.port, target.scheme)
        answer: urllib3.BaseHTTPResponse = pool.urlopen(
            method,
            target.request_target,
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )
        _beginning(answer)
        return answer

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._dialer, self._read_s)

    def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> Any:
        return self.poolmanager.connection_from_url(str(request.url))

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Change nothing: the context says it all."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        bounded = urllib3.HTTPResponse(
            body=io.BytesIO(_beginning(resp)),
            headers=resp.headers,
            status=resp.status,
            version=resp.version,
            reason=resp.reason,
            preload_content=False,
            decode_content=False,
            # An answer to HEAD has a length and no content, one that was cut short less than its length.
            enforce_content_length=False,
        )
        return super().build_response(req, bounded)


def _merged(*several: Mapping[str, str | bytes]) -> dict[str, str | bytes]:
    """Return all headers, each once however it is written; the later ones win."""
    by_name = {name.lower(): (name, value) for headers in several for name, value in headers.items()}
    return dict(by_name.values())


def _beginning(resp: Any) -> bytes:
    """Return the beginning of a body; where it was longer or broke off, the connection is not used again.

    The status is the answer: what becomes of the body does not change it.
    """
    content = b""
    try:
        while len(content) <= _MAX_ANSWER_BYTES:
            more = resp.read(_MAX_ANSWER_BYTES + 1 - len(content), decode_content=False)
            if not more:
                resp.release_conn()
                return content
            content += more
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
        pass
    resp.close()
    return content[:_MAX_ANSWER_BYTES]


class _Response(http.client.HTTPResponse):
    """Passes over what a server says before its answer: 102 of WebDAV, 103.

    http.client takes them for the answer, and what follows for that of the next request on the connection.
    """

    def begin(self) -> None:
        for _ in range(_MAX_INTERIM):
            super().begin()
            if not 100 <= self.status < 200 or self.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return
            # To http.client it has begun once it has headers.
            self.headers = self.msg = None  # type: ignore[assignment]  # they are None before
        raise http.client.HTTPException("the answer does not come")


class _Dialled:
    """What both kinds of connection have in common: how the socket is made, held and let go."""

    dialer: ClassVar[Dialer]
    read_s: ClassVar[float]
    response_class: Any = _Response
    host: str
    port: int
    sock: Any
    _held: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        connection = self.dialer.dial(self.host, self.port)
        self._held = self.dialer.lifeline.hold(connection)
        return connection

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # of the connection that this is mixed into
        if self._held is None:
            raise UploadError("this urllib3 opens its connections in another way", code="bad_answer")
        self.sock.settimeout(self.read_s)
        # Of urllib3 and http.client, which take 16 KiB and 8 KiB: many turns for a picture.
        self.blocksize = BLOCK

    def close(self) -> None:
        super().close()  # type: ignore[misc]  # see above
        held, self._held = self._held, None
        if held is not None:
            self.dialer.lifeline.release(held)


def _pools(made_by: Dialer, patience_s: float) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(_Dialled, HTTPConnection):
        dialer = made_by
        read_s = patience_s

    class Secured(_Dialled, HTTPSConnection):
        dialer = made_by
        read_s = patience_s

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecuredPool(HTTPSConnectionPool):
        ConnectionCls = Secured

    return {"http": PlainPool, "https": SecuredPool}


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and what caused it, the outermost first."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found and len(found) < 12:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found
