from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import pytest

from edge_agent.snapshots.upload.answers import RETRY_AFTER_MAX_S, Answer, confirms, judge, retry_after_s

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
SHA256 = hashlib.sha256(b"picture").hexdigest()
BASE64 = base64.b64encode(bytes.fromhex(SHA256)).decode()


@pytest.mark.parametrize(
    ("status", "method", "kind"),
    [
        (200, "PUT", "done"),
        (201, "PUT", "done"),
        (204, "POST", "done"),
        (301, "PUT", "parked"),
        (307, "PUT", "parked"),
        (400, "PUT", "parked"),
        (401, "PUT", "parked"),
        (404, "PUT", "parked"),
        (408, "PUT", "again"),
        (409, "PUT", "parked"),
        (409, "POST", "again"),
        (413, "PUT", "parked"),
        (425, "PUT", "again"),
        (429, "PUT", "again"),
        (500, "PUT", "again"),
        (501, "PUT", "parked"),
        (503, "PUT", "again"),
        (507, "PUT", "again"),
    ],
)
def test_what_an_answer_means(status: int, method: str, kind: str) -> None:
    verdict = judge(Answer(status=status, headers={}), method=method, now=NOW, doubtful=False)
    assert verdict.kind == kind
    assert verdict.status == status
    assert kind == "done" or str(status) in verdict.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "999999999999999999"}, RETRY_AFTER_MAX_S),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 15 Jun 2026 12:01:30 GMT"}, 90.0),
        ({"retry-after": "Mon, 15 Jun 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 15 Jun 2099 11:00:00 GMT"}, RETRY_AFTER_MAX_S),
        # This machine's clock is two years off, the server's counts.
        ({"retry-after": "Tue, 13 Jun 2028 08:00:20 GMT", "date": "Tue, 13 Jun 2028 08:00:00 GMT"}, 20.0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "named", "there"),
    [
        ({"content-length": "7"}, True, True),
        ({"content-length": "7"}, False, False),
        ({"content-length": "8"}, True, False),
        ({}, True, False),
        ({"x-checksum-sha256": SHA256.upper()}, False, True),
        ({"x-checksum-sha256": "0" * 64, "content-length": "7"}, True, False),
        ({"x-amz-checksum-sha256": BASE64}, False, True),
        ({"repr-digest": f"sha-512=:abc=:, sha-256=:{BASE64}:"}, False, True),
        ({"repr-digest": "sha-256=:abc=:", "content-length": "7"}, True, False),
        # That of the empty content of an answer to HEAD: it says nothing.
        ({"content-digest": "sha-256=:abc=:", "content-length": "7"}, True, True),
    ],
)
def test_whether_a_head_says_that_the_picture_is_there(
    headers: dict[str, str], named: bool, there: bool
) -> None:
    checksums = frozenset({SHA256, BASE64})
    answer = Answer(status=200, headers=headers)
    assert confirms(answer, checksums=checksums, size_bytes=7, named=named) is there
    assert not confirms(Answer(status=404, headers=headers), checksums=checksums, size_bytes=7, named=named)
