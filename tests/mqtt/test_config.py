from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge_agent.mqtt.config import MqttConfig


@pytest.mark.parametrize(
    ("config", "port"),
    [
        ({}, 1883),
        ({"tls": {}}, 8883),
        ({"transport": "websockets"}, 80),
        ({"transport": "websockets", "tls": {}}, 443),
        ({"port": 9001, "tls": {}}, 9001),
    ],
)
def test_the_port_follows_the_transport(config: dict[str, Any], port: int) -> None:
    assert MqttConfig(**config).effective_port == port


@pytest.mark.parametrize("root", ["", "/edge", "edge/", "edge//v1", "edge/+", "edge/#", "$SYS", "a\0b"])
def test_a_root_that_is_no_topic_is_refused(root: str) -> None:
    with pytest.raises(ValidationError, match="root"):
        MqttConfig(root=root)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hots": "x"}, "hots"),
        ({"password": "x"}, "'password' is given without 'username'"),
        ({"keepalive_s": 4}, "keepalive_s"),
        ({"backoff": {"min_s": 5, "max_s": 1}}, "'min_s' is 5.0, it must not be above 'max_s', which is 1.0"),
        ({"backoff": {"flapping_min_s": 500}}, "'flapping_min_s' is 500.0"),
        ({"connect_timeout_s": float("inf")}, "connect_timeout_s"),
    ],
)
def test_what_is_wrong_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MqttConfig(**config)


def test_the_password_is_not_shown() -> None:
    assert "hidden" not in repr(MqttConfig(username="porch", password="hidden"))
