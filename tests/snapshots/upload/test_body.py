from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from edge_agent.errors import StorageError
from edge_agent.snapshots.upload.body import Body, multipart
from edge_agent.snapshots.upload.throttle import Throttle

CONTENT = bytes(range(256)) * 20


def body_of(tmp_path: Path, content: bytes = CONTENT, *, sha256: str | None = None, **facts: object) -> Body:
    file = tmp_path / "picture"
    file.write_bytes(content)
    asked: list[int] = []
    return Body(
        os.open(file, os.O_RDONLY),
        **{
            "size_bytes": len(CONTENT),
            "sha256": sha256 or hashlib.sha256(CONTENT).hexdigest(),
            "before_block": asked.append,
            "block_bytes": 1000,
            **facts,
        },  # type: ignore[arg-type]  # each test's own
    )


@pytest.mark.parametrize("size", [1, 7, 999, 1000, 10**9])
@pytest.mark.parametrize("around", [(b"", b""), (b"before" * 300, b"after" * 300)])
def test_it_is_read_in_any_steps_and_anew(tmp_path: Path, size: int, around: tuple[bytes, bytes]) -> None:
    with body_of(tmp_path, prefix=around[0], suffix=around[1]) as body:
        for _ in range(2):
            assert len(body) == len(CONTENT) + len(around[0]) + len(around[1])
            assert b"".join(iter(lambda: body.read(size), b"")) == around[0] + CONTENT + around[1]
            assert body.tell() == len(body)
            assert body.was_sent
            body.seek(0)
            assert body.tell() == 0


@pytest.mark.parametrize("damaged", [CONTENT[:-1] + b"x", b"x" + CONTENT[1:], CONTENT[:-700]])
def test_a_damaged_picture_is_never_sent_whole(tmp_path: Path, damaged: bytes) -> None:
    with body_of(tmp_path, damaged) as body:
        with pytest.raises(StorageError, match="its picture is not what it was") as caught:
            list(body)
        assert caught.value.code == "content_damaged"
        assert not body.was_sent


def test_before_each_block_somebody_may_object(tmp_path: Path) -> None:
    def object_to(count: int) -> None:
        raise TimeoutError(str(count))

    with body_of(tmp_path, before_block=object_to) as body, pytest.raises(TimeoutError, match="1000"):
        body.read()


def test_a_multipart_body_names_its_one_file() -> None:
    prefix, suffix, media_type = multipart(
        field="picture", file_name="a.jpg", media_type="image/jpeg", boundary="xyz"
    )
    assert prefix == (
        b'--xyz\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n"
    )
    assert suffix == b"\r\n--xyz--\r\n"
    assert media_type == "multipart/form-data; boundary=xyz"


def test_all_together_keep_to_the_bandwidth() -> None:
    now_s = 0.0
    throttle = Throttle(bytes_per_s=1000, monotonic=lambda: now_s)
    sent = 0
    while now_s < 60:
        now_s += throttle.delay_s(250)
        sent += 250
    assert 60_000 <= sent <= 60_000 + 1000 * 0.1 + 250


def test_a_rest_is_not_saved_up() -> None:
    now_s = 0.0
    throttle = Throttle(bytes_per_s=1000, monotonic=lambda: now_s)
    now_s = 3600.0
    assert throttle.delay_s(100) == 0
    assert throttle.delay_s(1000) == pytest.approx(0.0)
    assert throttle.delay_s(1000) == pytest.approx(1.0)
