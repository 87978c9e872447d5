from __future__ import annotations

import pytest

from edge_agent.contract.topics import NODE_ID, Topics

TOPICS = Topics(root="edge/v1", node="porch", groups=("outdoor", "north"))


def test_every_topic_hangs_under_root_and_node() -> None:
    assert TOPICS.availability == "edge/v1/porch/availability"
    assert TOPICS.capabilities == "edge/v1/porch/capabilities"
    assert TOPICS.status == "edge/v1/porch/status"
    assert TOPICS.heartbeat == "edge/v1/porch/heartbeat"
    assert TOPICS.desired == "edge/v1/porch/desired"
    assert TOPICS.image_latest == "edge/v1/porch/image/latest"
    assert TOPICS.reply("focus") == "edge/v1/porch/reply/focus"
    assert TOPICS.event("camera") == "edge/v1/porch/event/camera"


def test_the_agent_reads_its_commands_those_of_all_and_of_its_groups() -> None:
    assert set(TOPICS.subscriptions()) == {
        "edge/v1/porch/cmd/+",
        "edge/v1/@all/cmd/+",
        "edge/v1/@group/outdoor/cmd/+",
        "edge/v1/@group/north/cmd/+",
        "edge/v1/porch/availability",
        "edge/v1/porch/desired",
    }


@pytest.mark.parametrize(
    ("topic", "command"),
    [
        ("edge/v1/porch/cmd/focus", "focus"),
        ("edge/v1/@all/cmd/focus", "focus"),
        ("edge/v1/@group/north/cmd/focus", "focus"),
        ("edge/v1/porch/cmd/", ""),
        ("edge/v1/@group/south/cmd/focus", None),
        ("edge/v1/porch/cmd/focus/x", None),
        ("edge/v1/porch/reply/focus", None),
        ("edge/v1/gate/cmd/focus", None),
        ("cmd/focus", None),
        ("", None),
    ],
)
def test_a_topic_means_a_command_or_nothing(topic: str, command: str | None) -> None:
    assert TOPICS.command_of(topic) == command


@pytest.mark.parametrize("name", ["porch", "a", "0-_z", "x" * 64])
def test_a_node_id_is_plain(name: str) -> None:
    assert NODE_ID.fullmatch(name)


@pytest.mark.parametrize("name", ["", "Porch", "a b", "a/b", "@all", "x" * 65, "ü"])
def test_another_node_id_is_none(name: str) -> None:
    assert not NODE_ID.fullmatch(name)
