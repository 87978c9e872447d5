"""What a home sees of pictures."""

from __future__ import annotations

from edge_agent.contract.topics import Topics
from edge_agent.snapshots.entities import snapshot_entities

TOPICS = Topics(root="edge/v1", node="porch")


def test_uploads_that_wait_are_counted() -> None:
    entities = {entity.key: entity for entity in snapshot_entities(TOPICS)}
    assert entities["uploads_waiting"].path == "upload.waiting"
