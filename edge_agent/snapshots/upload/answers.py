"""What a server's answer means for the picture: done, again later, or parked until somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

__all__ = ["RETRY_AFTER_MAX_S", "Answer", "Verdict", "confirms", "judge", "retry_after_s"]

# A server that says more than this is asked again then all the same.
RETRY_AFTER_MAX_S: Final = 3600.0

_AGAIN: Final = frozenset({408, 425, 429})
# Of the 5xx those that stay: this server does not have this method, or does not speak this HTTP.
_NEVER: Final = frozenset({501, 505})
_HINTS: Final = {
    401: "mend upload.auth and its username, password or token",
    403: "the server does not let this node write there: mend upload.auth or the server's rights",
    404: "there is no such place: mend upload.url, or use the method WEBDAV to make folders",
    405: "the server does not take this method there: mend upload.method or upload.url",
    409: "with WebDAV a folder is missing: use the method WEBDAV to make folders",
    411: "the server wants a length, which was sent: look at what is between",
    413: "the picture is larger than the server takes: mend the server's limit",
    415: "the server does not take this kind of picture",
    501: "the server does not have this method: mend upload.method",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the headers by lower-case names. The body is of no use."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of an upload after an attempt.

    `counted`: it counts against `max_attempts`. `doubtful`: the server may have it, although it did not
    say so; ask before sending it again. `found`: it was there already.
    """

    kind: Literal["done", "again", "parked", "damaged"]
    code: str = "done"
    message: str = ""
    status: int | None = None
    retry_after_s: float | None = None
    counted: bool = False
    doubtful: bool = False
    found: bool = False


def judge(answer: Answer, *, method: str, now: datetime, doubtful: bool) -> Verdict:
    """Return what the answer to an upload means. `doubtful` tells whether all of it was sent."""
    status = answer.status
    if 200 <= status < 300:
        return Verdict(kind="done", status=status)
    message = f"the server answered {status}"
    again = status in _AGAIN or (status >= 500 and status not in _NEVER)
    # Of an idempotency key: another request with it is still being worked at.
    again = again or (status == 409 and method == "POST")
    if again:
        return Verdict(
            kind="again",
            code="rate_limited" if status == 429 else "server_failed",
            message=message,
            status=status,
            retry_after_s=retry_after_s(answer.headers, now=now),
            counted=True,
            doubtful=doubtful,
        )
    if 300 <= status < 400:
        return Verdict(
            kind="parked",
            code="redirected",
            message=f"{message}, a redirection that is not followed: mend the URL",
            status=status,
        )
    hint = _HINTS.get(status)
    return Verdict(
        kind="parked", code="refused", message=f"{message}: {hint}" if hint else message, status=status
    )


def retry_after_s(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for, at most RETRY_AFTER_MAX_S; None where it says nothing.

    A date counts from the server's own `Date`, where it says one: this machine's clock may be wrong.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), RETRY_AFTER_MAX_S)
    until = _moment(text)
    if until is None:
        return None
    since = _moment(headers.get("date", "")) or now
    return min(max(0.0, (until - since).total_seconds()), RETRY_AFTER_MAX_S)


def confirms(answer: Answer, *, checksums: frozenset[str], size_bytes: int, named: bool) -> bool:
    """Whether the answer to a HEAD says that this picture is there.

    `checksums` are the picture's SHA-256 as servers write it. Where the server tells none, its length will
    do, but only where the URL is this picture's own (`named`).
    """
    if answer.status != 200:
        return False
    told = [
        answer.headers.get(name, "").strip().lower()
        for name in ("x-checksum-sha256", "x-amz-checksum-sha256", "repr-digest", "content-digest")
    ]
    wanted = {checksum.lower() for checksum in checksums}
    if any(_digest(value) in wanted for value in told if value):
        return True
    # The Content-Digest of an answer to HEAD is that of no content at all: it can confirm, not deny.
    if any(told[:3]):
        return False
    return named and answer.headers.get("content-length") == str(size_bytes)


def _digest(value: str) -> str:
    """Return the SHA-256 in a header's value: bare, or as `sha-256=:…:` among others."""
    for member in value.split(","):
        name, equals, digest = member.strip().partition("=:")
        if equals and name == "sha-256":
            return digest.removesuffix(":")
    return value


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
