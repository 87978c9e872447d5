"""One attempt to bring one picture to its server, in a worker's thread, from its record to a verdict."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from edge_agent import __version__
from edge_agent.errors import RefusedError, StorageError, UploadError
from edge_agent.snapshots.upload.addressing import Addressing, Destination
from edge_agent.snapshots.upload.answers import Answer, Verdict, confirms, judge
from edge_agent.snapshots.upload.body import BLOCK, Body, multipart
from edge_agent.snapshots.upload.config import UploadConfig
from edge_agent.snapshots.upload.dialer import Dialer
from edge_agent.snapshots.upload.fresh import Fresh, Freshest
from edge_agent.snapshots.upload.lifeline import Lifeline
from edge_agent.snapshots.upload.record import Record
from edge_agent.snapshots.upload.spool import Spool
from edge_agent.snapshots.upload.target import Target, parse_target
from edge_agent.snapshots.upload.throttle import Throttle
from edge_agent.snapshots.upload.tls import stamps, tls_context

if TYPE_CHECKING:
    from requests.auth import HTTPDigestAuth

    from edge_agent.snapshots.upload.client import Client

__all__ = ["Sender"]

_MAX_REDIRECTIONS: Final = 3
_MAX_FOLDERS: Final = 32
# How servers say that the folder of a file is missing; nginx says 500.
_NO_FOLDER: Final = frozenset({403, 404, 409, 500})
_KEEPS_METHOD: Final = frozenset({307, 308})
# Where nobody answers at all, this picture has not failed at anything.
_NOBODY_THERE: Final = frozenset({"dns_failed", "unreachable", "tls_failed"})
_ASK_AGAIN: Final = frozenset({429, 502, 503, 504})


class Sender:
    """Holds one worker's connections. Everything but `lifeline` is for the worker's own thread."""

    def __init__(
        self,
        *,
        config: UploadConfig,
        spool: Spool,
        addressing: Addressing,
        freshest: Freshest,
        throttle: Throttle | None,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._config = config
        self._spool = spool
        self._addressing = addressing
        self._freshest = freshest
        self._throttle = throttle
        self._now = now
        self._monotonic = monotonic
        self.lifeline = Lifeline(monotonic=monotonic)
        self._own_headers = _own_headers(config)
        self._clients: dict[tuple[bool, bool, bool], Client] = {}
        self._stamps: tuple[int, ...] = ()

    def send(self, ticket: str, *, doubtful: bool) -> Verdict:
        """Make one attempt. Raises nothing of its own.

        What is not fresh is read, and its picture is checked. `doubtful`: ask first whether it is there
        already. What is done has no record any more, so that a kill from here on
        leaves nothing to be sent again; for good only with the spool's next `remove`.
        """
        try:
            return self._attempt(ticket, doubtful=doubtful)
        except UploadError as error:
            if error.code == "tls_failed":
                self.close()
            return _again(error, doubtful=doubtful)
        except StorageError as error:
            return Verdict(
                kind="again" if error.code == "storage_failed" else "damaged",
                code=error.code,
                message=error.message,
                doubtful=doubtful,
            )
        except RefusedError as error:
            return Verdict(kind="parked", code=error.code, message=error.message)
        finally:
            self.lifeline.rest()

    def _attempt(self, ticket: str, *, doubtful: bool) -> Verdict:
        fresh = self._freshest.take(ticket)
        if fresh is None:
            record = self._spool.read(ticket)
            destination = self._addressing.destination(record.picture, record.url)
        else:
            record, destination = fresh.record, fresh.destination
        client = self._client(destination)
        verdict = self._asked(client, record, destination) if doubtful else None
        if verdict is None:
            verdict = self._sent(client, record, destination, fresh)
        if verdict.kind == "done":
            self._spool.forget(ticket)
        return verdict

    def close(self) -> None:
        """Let go of every connection."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _asked(self, client: Client, record: Record, destination: Destination) -> Verdict | None:
        """Return a verdict where the server says that it has the picture, or that it can say nothing now."""
        named = record.picture.id in destination.target.path
        if self._config.method == "POST" and not named:
            # A POST's URL is not the picture's: what is there says nothing of it.
            return None
        answer = client.request("HEAD", destination.target, headers=self._credentials(destination))
        if answer.status in _ASK_AGAIN:
            return judge(answer, method="HEAD", now=self._now(), doubtful=True)
        sha256 = record.picture.sha256
        checksums = frozenset({sha256, _base64(sha256)})
        if confirms(answer, checksums=checksums, size_bytes=record.picture.size_bytes, named=named):
            return Verdict(kind="done", status=answer.status, found=True)
        return None

    def _sent(self, client: Client, record: Record, destination: Destination, fresh: Fresh | None) -> Verdict:
        body, headers = self._prepared(record, fresh)
        with body:
            try:
                answer = self._delivered(client, destination, body, headers | self._credentials(destination))
            except UploadError as error:
                if error.code == "tls_failed":
                    self.close()
                return _again(error, doubtful=body.was_sent)
            return judge(answer, method=self._config.method, now=self._now(), doubtful=body.was_sent)

    def _prepared(self, record: Record, fresh: Fresh | None) -> tuple[Body, dict[str, str | bytes]]:
        """Return what is sent and what is said of it."""
        picture = record.picture
        headers: dict[str, str | bytes] = {
            "X-Checksum-SHA256": picture.sha256,
            self._config.idempotency_header: record.idempotency_key,
        }
        prefix = suffix = b""
        if self._config.body == "multipart":
            prefix, suffix, media_type = multipart(
                field=self._config.field,
                file_name=picture.file_name,
                media_type=picture.media_type,
                boundary=f"edge-agent-{picture.sha256}",
            )
            headers["Content-Type"] = media_type
        else:
            headers["Content-Type"] = picture.media_type
            headers["Content-Digest"] = f"sha-256=:{_base64(picture.sha256)}:"
        throttle = self._throttle
        body = Body(
            self._spool.open_content(record) if fresh is None or fresh.content is None else fresh.content,
            size_bytes=picture.size_bytes,
            sha256=picture.sha256 if fresh is None else None,
            before_block=self._before_block,
            block_bytes=BLOCK if throttle is None else throttle.block_bytes(BLOCK),
            prefix=prefix,
            suffix=suffix,
        )
        return body, headers

    def _before_block(self, count: int) -> None:
        delay_s = 0.0 if self._throttle is None else self._throttle.delay_s(count)
        if delay_s > 0:
            self.lifeline.wait(delay_s)
        self.lifeline.extend(self._config.timeout_s.read)

    def _delivered(
        self, client: Client, destination: Destination, body: Body, headers: dict[str, str | bytes]
    ) -> Answer:
        """Send the picture, on to where the same server wants it, into folders that are made for it."""
        target, redirections, asked_for_folders = destination.target, 0, False
        method = "PUT" if self._config.method == "WEBDAV" else self._config.method
        while True:
            body.seek(0)
            answer = client.request(method, target, headers=headers, body=body)
            if answer.status in _KEEPS_METHOD and redirections < _MAX_REDIRECTIONS:
                following = self._redirected(answer, target, destination)
                if following is None:
                    return answer
                target, redirections = following, redirections + 1
            elif self._config.method == "WEBDAV" and answer.status in _NO_FOLDER and not asked_for_folders:
                made = self._made_folders(client, target, self._credentials(destination))
                # Another worker may have made them meanwhile: what says clearly that one is missing is
                # tried again in any case.
                if not made and answer.status not in {404, 409}:
                    return answer
                asked_for_folders = True
            else:
                return answer

    def _redirected(self, answer: Answer, target: Target, destination: Destination) -> Target | None:
        """Return where the server sends the picture on to, None where it must not go there."""
        try:
            url = urljoin(target.raw, answer.headers.get("location", ""))
            following = parse_target(url)
            if not destination.is_configured:
                self._addressing.allowed(url)
        except (RefusedError, ValueError):
            return None
        return following if following.origin == target.origin else None

    def _made_folders(self, client: Client, target: Target, headers: dict[str, str | bytes]) -> bool:
        """Make the folders above a file, from the deepest there is; tell whether there are new ones."""
        missing: list[Target] = []
        path, made = target.path, False
        while "/" in path.strip("/") and len(missing) < _MAX_FOLDERS:
            path = path.rstrip("/").rpartition("/")[0] + "/"
            folder = parse_target(target.origin + path)
            status = client.request("MKCOL", folder, headers=headers).status
            # 404 and 409: the one above is missing, too. All else: it is there now, or nobody may make it.
            if status not in {404, 409}:
                made = 200 <= status < 300
                break
            missing.append(folder)
        for folder in reversed(missing):
            made = 200 <= client.request("MKCOL", folder, headers=headers).status < 300 or made
        return made

    def _credentials(self, destination: Destination) -> dict[str, str | bytes]:
        return self._own_headers if destination.with_credentials else {}

    def _client(self, destination: Destination) -> Client:
        """Return the connections for a destination: those of the owner's own server know who this is."""
        from edge_agent.snapshots.upload.client import Client  # noqa: PLC0415 - heavy, and only needed here

        now = stamps(self._config)
        if now != self._stamps:
            self.close()
            self._stamps = now
        secure = destination.target.scheme == "https"
        key = (secure, destination.with_credentials, destination.may_be_private)
        if key not in self._clients:
            timeout_s = self._config.timeout_s
            if secure and not self._config.verify:
                _expect_unverified()
            self._clients[key] = Client(
                dialer=Dialer(
                    may_be_private=destination.may_be_private,
                    connect_s=timeout_s.connect,
                    lifeline=self.lifeline,
                    monotonic=self._monotonic,
                ),
                context=tls_context(self._config, with_certificate=destination.with_credentials)
                if secure
                else None,
                timeouts=(timeout_s.connect, timeout_s.read),
                digest=self._digest() if destination.with_credentials else None,
                user_agent=f"edge-agent/{__version__}",
            )
        return self._clients[key]

    def _digest(self) -> HTTPDigestAuth | None:
        from requests.auth import HTTPDigestAuth  # noqa: PLC0415 - see above

        config = self._config
        if config.auth != "digest" or config.username is None or config.password is None:
            return None
        return HTTPDigestAuth(config.username, config.password.get_secret_value())


def _own_headers(config: UploadConfig) -> dict[str, str | bytes]:
    """Return what the owner's own server is told of who this is; what digest says depends on the request."""
    headers: dict[str, str | bytes] = {
        name: value.get_secret_value() for name, value in config.headers.items()
    }
    if config.auth == "bearer" and config.token is not None:
        headers["Authorization"] = f"Bearer {config.token.get_secret_value()}"
    if config.auth == "basic" and config.username is not None and config.password is not None:
        # In UTF-8: as text it would have to be Latin-1.
        pair = f"{config.username}:{config.password.get_secret_value()}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


def _again(error: UploadError, *, doubtful: bool) -> Verdict:
    return Verdict(
        kind="again",
        code=error.code,
        message=error.message,
        counted=error.code not in _NOBODY_THERE,
        doubtful=doubtful,
    )


def _expect_unverified() -> None:
    """Let urllib3 not warn at each picture of what the owner has configured."""
    from urllib3.exceptions import InsecureRequestWarning  # noqa: PLC0415 - see above

    warnings.filterwarnings("ignore", category=InsecureRequestWarning)


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
