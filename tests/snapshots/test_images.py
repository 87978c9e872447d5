from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge_agent.errors import EdgeAgentError, RefusedError
from tests.snapshots.gallery import jpeg
from tests.snapshots.studio import FakeUploader, Studio

ID = "20260615T120001000Z-0001"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


async def filled(studio: Studio, count: int, **arguments: Any) -> list[str]:
    return [(await studio.take(to=["store"], **arguments))["id"] for _ in range(count)]


async def images(
    studio: Studio, action: str, /, *, dry_run: bool = False, **arguments: Any
) -> dict[str, Any]:
    return await studio.ask("images", {"action": action, **arguments}, dry_run=dry_run)


def ids_of(result: dict[str, Any]) -> list[str]:
    return [picture["id"] for picture in result["pictures"]]


async def test_a_list_comes_newest_first_and_in_pages(studio: Studio) -> None:
    async with studio.open():
        assert await studio.ask("images") == {"pictures": [], "next": None, "store": "ready"}
        ids = await filled(studio, 25, reason="r")
        page = await images(studio, "list", limit=10)
        seen, sizes = ids_of(page), [len(page["pictures"])]
        while page["next"] is not None:
            page = await images(studio, "list", limit=10, before=page["next"])
            seen += ids_of(page)
            sizes.append(len(page["pictures"]))
        assert sizes == [10, 10, 5]
        assert seen == ids[::-1]
        (first,) = (await studio.ask("images", "list"))["pictures"][:1]
        assert first["reason"] == "r"
        assert first["cause"] == "command a1"


async def test_a_list_can_be_narrowed_by_time_and_by_what_a_picture_is(studio: Studio) -> None:
    async with studio.open():
        ids = await filled(studio, 5)  # at 12:00:01 to 12:00:05
        raw = await filled(studio, 1, format="dng", reason="motion", lock=True)
        assert ids_of(await images(studio, "list", before="2026-06-15T12:00:03Z")) == ids[1::-1]
        assert ids_of(await images(studio, "list", after="2026-06-15T14:00:03+02:00")) == [*raw, *ids[:2:-1]]
        assert ids_of(await images(studio, "list", after=ids[1], before=ids[3])) == [ids[2]]
        for narrowed in ({"format": "dng"}, {"reason": "motion"}, {"locked": True}):
            assert ids_of(await images(studio, "list", **narrowed)) == raw
        assert ids_of(await images(studio, "list", locked=False, limit=2)) == ids[:2:-1]


async def test_a_page_is_shorter_where_a_message_may_not_be_that_long(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    async with studio.open():
        ids = await filled(studio, 30)
        object.__setattr__(studio.feature._images, "page_bytes", 2000)
        page = await images(studio, "list", limit=30)
        assert 1 < len(page["pictures"]) < 8
        assert page["next"] == ids_of(page)[-1]
        assert ids_of(page) == ids[::-1][: len(page["pictures"])]


async def test_get_sends_the_picture_in_chunks_that_make_it_again(studio: Studio) -> None:
    async with studio.open(chunk_bytes=4096):
        studio.camera.content = jpeg(1200, 900) + bytes(20_000)
        (taken,) = await filled(studio, 1)
        told = await images(studio, "get")
        chunks = studio.messages(f"image/{taken}")
        assert [m.topic for m in chunks] == [f"{told['topic']}/{n}" for n in range(told["chunks"])]
        assert b"".join(m.payload for m in chunks) == studio.camera.content
        assert told == {
            "id": taken,
            "time": "2026-06-15T12:00:01.000Z",
            "size": "full",
            "media_type": "image/jpeg",
            "topic": f"edge/v1/porch/image/{taken}",
            "chunks": len(studio.camera.content) // 4096 + 1,
            "chunk_bytes": 4096,
            "size_bytes": len(studio.camera.content),
            "sha256": hashlib.sha256(studio.camera.content).hexdigest(),
        }


async def test_get_sends_a_small_picture_as_one_message_and_a_dry_run_sends_none(studio: Studio) -> None:
    async with studio.open():
        (taken,) = await filled(studio, 1, format="png")
        dry = await images(studio, "get", dry_run=True, picture=taken)
        assert (dry["media_type"], dry["size_bytes"]) == ("image/png", len(studio.camera.content))
        assert studio.messages("image") == []
        assert (await images(studio, "get", picture=taken))["chunks"] == 1
        assert [m.payload for m in studio.messages(f"image/{taken}")] == [studio.camera.content]


async def test_get_sends_a_thumbnail_that_is_made_once(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studio.open():
        studio.camera.content = jpeg(1600, 1200)
        (taken,) = await filled(studio, 1)
        assert await images(studio, "get", dry_run=True, size="thumbnail") == {
            "id": taken,
            "time": "2026-06-15T12:00:01.000Z",
            "size": "thumbnail",
            "media_type": "image/jpeg",
        }
        told = await images(studio, "get", picture=taken, size="thumbnail")
        (message,) = studio.messages(f"image/{taken}/thumbnail")
        assert told["topic"] == message.topic
        assert told["sha256"] == hashlib.sha256(message.payload).hexdigest()
        assert Image.open(io.BytesIO(message.payload)).size == (320, 240)

        async def no_second(_: int) -> bytes:
            raise AssertionError("it was made already")

        monkeypatch.setattr(studio.feature._images.thumbnailer, "make", no_second)
        assert (await images(studio, "get", size="thumbnail"))["sha256"] == told["sha256"]


async def test_a_thumbnail_is_not_kept_where_that_is_configured(studio: Studio) -> None:
    async with studio.open(thumbnails=False):
        await filled(studio, 1)
        await images(studio, "get", size="thumbnail")
        assert len(list((studio.path / "state/pictures").rglob("*.jpg"))) == 1


async def test_a_picture_without_a_thumbnail_says_so(studio: Studio) -> None:
    async with studio.open():
        studio.camera.content = b"raw"
        await filled(studio, 1, format="dng")
        with pytest.raises(RefusedError) as caught:
            await images(studio, "get", size="thumbnail")
        assert caught.value.code == "no_thumbnail"


async def test_delete_by_id_by_list_and_by_time(studio: Studio) -> None:
    async with studio.open():
        ids = await filled(studio, 6)
        locked = await filled(studio, 1, lock=True)
        size_bytes = len(studio.camera.content)
        assert await images(studio, "delete", picture=ids[0]) == {
            "deleted": 1,
            "freed_bytes": size_bytes,
            "kept_locked": 0,
        }
        assert (await images(studio, "delete", pictures=[ids[1], ids[2], ids[1]]))["deleted"] == 2
        before = "2026-06-15T13:00:00Z"
        dry = await images(studio, "delete", dry_run=True, before=before)
        assert (dry["deleted"], dry["kept_locked"]) == (3, 1)
        assert studio.status["store"]["count"] == 4
        assert await images(studio, "delete", before=before) == {
            "deleted": 3,
            "freed_bytes": 3 * size_bytes,
            "kept_locked": 1,
        }
        assert ids_of(await images(studio, "list")) == locked
        with pytest.raises(RefusedError) as caught:
            await images(studio, "delete", picture=locked[0])
        assert caught.value.code == "locked"
        assert (await images(studio, "delete", before=before, force=True))["deleted"] == 1


async def test_lock_and_unlock_say_what_they_changed(studio: Studio) -> None:
    async with studio.open():
        ids = await filled(studio, 2)
        assert (await images(studio, "lock", dry_run=True, picture="latest"))["changed"] == [ids[1]]
        assert studio.status["store"]["locked"] == 0
        assert (await images(studio, "lock", pictures=ids))["changed"] == ids
        assert (await images(studio, "lock", pictures=ids))["changed"] == []
        assert studio.status["store"]["locked"] == 2
        assert (await images(studio, "unlock", picture=ids[0]))["changed"] == ids[:1]


async def test_stats_are_what_status_says(studio: Studio) -> None:
    async with studio.open():
        await filled(studio, 2)
        assert await studio.ask("images", "stats") == studio.status["store"]


async def test_upload_hands_the_files_on(studio: Studio) -> None:
    uploader = FakeUploader()
    async with studio.open(uploader=uploader):
        ids = await filled(studio, 2)
        told = await images(studio, "upload", pictures=ids, url="https://there/")
        assert told == {
            "uploads": [{"id": ids[0], "ticket": "ticket 1"}, {"id": ids[1], "ticket": "ticket 2"}]
        }
        assert [(each[0].id, each[1], each[2]) for each in uploader.added] == [
            (id_, studio.camera.content, "https://there/") for id_ in ids
        ]


async def test_without_a_place_to_upload_to_it_says_what_to_set(studio: Studio) -> None:
    for uploader in (None, FakeUploader(configured=False)):
        async with studio.open(uploader=uploader):
            (taken,) = await filled(studio, 1)
            with pytest.raises(RefusedError, match=r"upload\.url") as caught:
                await images(studio, "upload", picture=taken)
            assert caught.value.code == "not_configured"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": "lsit"}, "did you mean 'list'"),
        ({"action": "get", "picture": "../../etc/passwd"}, "'picture': it should be a picture's id"),
        ({"action": "get", "picture": ID + "\n"}, "it should be a picture's id"),
        ({"action": "get", "picture": ID.replace("1", "\u0661")}, "it should be a picture's id"),
        ({"action": "get", "picture": "/etc/passwd"}, "it should be a picture's id"),
        ({"action": "delete", "pictures": [ID, "*"]}, "it should be a picture's id"),
        ({"action": "delete", "pictures": [ID] * 101}, "at most 100"),
        ({"action": "delete"}, "exactly one of them"),
        ({"action": "delete", "picture": ID, "before": ID}, "exactly one of them"),
        ({"action": "delete", "picture": "latest"}, "takes no 'latest'"),
        ({"action": "lock"}, "lock takes 'picture' or 'pictures'"),
        ({"action": "lock", "picture": ID, "pictures": [ID]}, "not both"),
        ({"action": "list", "before": "yesterday"}, "or a time, like"),
        ({"action": "list", "before": "2026-06-15T12:00:00"}, "or a time, like"),
        ({"action": "list", "before": "0001-01-01T00:00:00+23:00"}, "or a time, like"),
        ({"action": "list", "limit": 101}, "less than or equal to 100"),
        ({"action": "list", "force": True}, "'force' does not go with list, which takes limit, before"),
        ({"action": "stats", "picture": ID}, "'picture' does not go with stats, which takes nothing"),
    ],
)
async def test_what_cannot_be_meant_is_refused_in_words(
    studio: Studio, arguments: dict[str, Any], message: str
) -> None:
    async with studio.open():
        with pytest.raises(RefusedError) as caught:
            await studio.ask("images", arguments)
        assert caught.value.code == "invalid_arguments"
        assert message in caught.value.message


@pytest.mark.parametrize("action", ["get", "delete", "lock", "upload"])
async def test_an_unknown_picture_is_told_by_every_action(studio: Studio, action: str) -> None:
    async with studio.open(uploader=FakeUploader()):
        with pytest.raises(RefusedError) as caught:
            await images(studio, action, picture=ID)
        assert caught.value.code == "unknown_picture"
        with pytest.raises(RefusedError, match="no picture in the store yet"):
            await images(studio, "get", picture="latest")


@pytest.mark.parametrize("action", ["get", "upload"])
async def test_a_link_in_a_picture_s_place_shows_nobody_what_it_leads_to(studio: Studio, action: str) -> None:
    secret = studio.path / "secret"
    secret.write_bytes(b"secret")
    uploader = FakeUploader()
    async with studio.open(uploader=uploader):
        (taken,) = await filled(studio, 1)
        (file,) = (studio.path / "state/pictures").rglob("*.jpg")
        file.unlink()
        file.symlink_to(secret)
        with pytest.raises(EdgeAgentError):
            await images(studio, action, picture=taken)
        assert uploader.added == []
        assert studio.messages("image") == []
