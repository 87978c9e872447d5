"""What a home sees of pictures."""

from __future__ import annotations

from edge_agent.contract.topics import Topics
from edge_agent.snapshots.entities import snapshot_entities

TOPICS = Topics(root="edge/v1", node="porch")


def test_uploads_are_counted_where_there_are_any() -> None:
    without = {entity.key for entity in snapshot_entities(TOPICS)}
    with_uploads = {entity.key: entity for entity in snapshot_entities(TOPICS, uploads=True)}
    assert with_uploads.keys() - without == {"uploads_waiting"}
    assert with_uploads["uploads_waiting"].path == "upload.waiting"
