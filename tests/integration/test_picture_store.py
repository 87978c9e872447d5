"""Pictures of a whole agent: stored, listed, fetched in chunks, and there after a kill."""

from __future__ import annotations

import hashlib
import io
import signal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener

pytestmark = pytest.mark.timeout(120)

_CHUNK_BYTES = 16_384


def _fetched(agent: AgentProcess, listener: Listener, **arguments: Any) -> tuple[Any, bytes]:
    """Have a picture sent, and put it together as the reply says."""
    since = listener.mark()
    reply = agent.command("images", {"action": "get", **arguments})
    assert reply["state"] == "done", reply
    told = reply["result"]
    topics = (
        [told["topic"]] if told["chunks"] == 1 else [f"{told['topic']}/{n}" for n in range(told["chunks"])]
    )
    parts = [listener.wait(topic, since=since).payload for topic in topics]
    assert {len(part) for part in parts[:-1]} <= {told["chunk_bytes"]}
    content = b"".join(parts)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (told["size_bytes"], told["sha256"])
    return told, content


def test_pictures_are_kept_and_fetched_also_after_a_kill(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    pictures: dict[str, Any] = {"chunk_bytes": _CHUNK_BYTES, "min_free_mb": 0}
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, snapshots=pictures) as agent:
        agent.online()
        agent.running()
        taken = [
            agent.command("snapshot", {"reason": "test", **arguments})["result"]
            for arguments in ({}, {"format": "png", "full": True, "lock": True}, {"to": ["store"]})
        ]
        assert [each["sent_to"] for each in taken] == [["store", "mqtt"], ["store"], ["store"]]
        assert taken[1]["not_sent"]["mqtt"]["code"] == "not_jpeg"

        told, content = _fetched(agent, listener, picture=taken[1]["id"])
        assert told["chunks"] == -(-taken[1]["size_bytes"] // _CHUNK_BYTES) > 2
        assert told["sha256"] == taken[1]["sha256"]
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.size) == ("PNG", (taken[1]["width"], taken[1]["height"]))
        image.load()

        agent.signal(signal.SIGKILL)
        since = listener.mark()
        agent.start()
        agent.online(since=since)
        # Who comes now has something to show at once.
        shown = listener.wait(f"{agent.base}/image/latest", since=since)
        assert (hashlib.sha256(shown.payload).hexdigest(), shown.retain) == (taken[2]["sha256"], False)
        listed = agent.command("images", {"limit": 10})["result"]
        assert [each["id"] for each in listed["pictures"]] == [each["id"] for each in taken[::-1]]
        assert [each["locked"] for each in listed["pictures"]] == [False, True, False]
        store = agent.status(lambda status: status["snapshot"]["store"]["state"] == "ready")["snapshot"][
            "store"
        ]
        assert (store["count"], store["locked"]) == (3, 1)
        _, content = _fetched(agent, listener, picture=taken[0]["id"])
        assert hashlib.sha256(content).hexdigest() == taken[0]["sha256"]
        told, content = _fetched(agent, listener, picture="latest", size="thumbnail")
        assert (told["id"], Image.open(io.BytesIO(content)).format) == (taken[2]["id"], "JPEG")
        assert (
            agent.command("images", {"action": "delete", "picture": taken[1]["id"]})["error"]["code"]
            == "locked"
        )
        assert agent.command("images", {"action": "delete", "picture": taken[0]["id"]})["state"] == "done"
        assert len(list((tmp_path / "state/pictures").rglob("*.jpg"))) == 2
