from __future__ import annotations

from typing import Any

import pytest

from edge_agent.errors import ProcessError
from edge_agent.stream.messages import PublisherBeat, PublisherConfig
from edge_agent.stream.publisher_status import PublisherStatus

CONFIG = PublisherConfig(url="rtsp://u:hush@host/x", packet_socket="/run/packets", transport="udp")


def test_a_config_survives_the_way() -> None:
    assert PublisherConfig.from_body(CONFIG.body()) == CONFIG


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transport": "sctp"}, "transport is 'sctp', allowed are tcp and udp"),
        ({"connect_timeout_s": 0}, "connect_timeout_s is 0, allowed is above 0 up to 60"),
        ({"connect_timeout_s": "3"}, "connect_timeout_s is '3', allowed is above 0 up to 60"),
        ({"url": None}, "a 'configure' message whose url or packet_socket is no text"),
        ({"colour": "red"}, "a 'configure' message with missing or unknown fields"),
    ],
)
def test_a_config_that_is_none(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProcessError) as caught:
        PublisherConfig.from_body(CONFIG.body() | change)
    assert caught.value.message == message


def test_a_beat_survives_the_way() -> None:
    beat = PublisherStatus().beat()
    assert PublisherBeat.from_body(beat.body()) == beat


@pytest.mark.parametrize(
    "change", [{"state": "happy"}, {"phase": "lunar"}, {"more": 1}, {"since_age_s": float("nan")}]
)
def test_a_beat_that_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(ProcessError, match="a beat of the publisher with"):
        PublisherBeat.from_body(PublisherStatus().beat().body() | change)
