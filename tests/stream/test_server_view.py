"""Both generations of MediaMTX's fields say the same, and nonsense is told from them."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.errors import StreamError
from edge_agent.stream.server_view import Source, path_view, source_details
from tests.stream.fake_api import SESSION, new_generation, old_generation


def test_the_new_generation() -> None:
    view = path_view(new_generation())
    assert (view.online, view.readers, view.tracks) == (True, 2, 1)
    assert (view.inbound_bytes, view.outbound_bytes) == (62382, 7)
    assert view.source == Source(kind="rtspSession", id=SESSION)


def test_the_old_generation() -> None:
    view = path_view(old_generation())
    assert (view.online, view.readers, view.tracks) == (True, 1, 1)
    assert (view.inbound_bytes, view.outbound_bytes) == (62382, 7)
    assert view.source == Source(kind="rtspSession", id=SESSION)


def test_what_is_always_available_is_online_only_with_a_publisher() -> None:
    view = path_view(new_generation(online=False, onlineTime=None, source=None))
    assert view.online is False
    assert view.source is None


def test_what_was_not_ready_was_not_online() -> None:
    assert path_view(old_generation(ready=False, source=None)).online is False


@pytest.mark.parametrize(
    "changes",
    [
        {"inboundBytes": "many", "bytesReceived": -1, "outboundBytes": True, "bytesSent": None},
        {"readers": None, "tracks2": 7, "tracks": None, "source": "me", "inboundBytes": 0},
        {"source": {"type": 5, "id": ["x" * 100_000]}},
    ],
)
def test_odd_values_are_no_numbers_and_no_error(changes: dict[str, Any]) -> None:
    view = path_view(new_generation(**changes))
    assert view.inbound_bytes >= 0
    assert view.readers >= 0
    assert view.source is None or len(view.source.id) <= 128


@pytest.mark.parametrize("document", [None, [], "ok", {}, {"status": "ok"}, {"name": "porch"}])
def test_what_is_no_path_is_refused(document: Any) -> None:
    with pytest.raises(StreamError) as caught:
        path_view(document)
    assert caught.value.code == "server_nonsense"


@pytest.mark.parametrize("field", ["inboundBytes", "bytesReceived"])
def test_a_session_says_who_it_is_and_what_came(field: str) -> None:
    source = Source(kind="rtspSession", id=SESSION)
    details = source_details(source, {"remoteAddr": "192.0.2.7:4711", field: 12})
    assert details == Source(kind="rtspSession", id=SESSION, remote="192.0.2.7:4711", inbound_bytes=12)
    assert str(details) == "rtspSession 192.0.2.7:4711"


@pytest.mark.parametrize("document", [None, [], {"remoteAddr": ""}, {"remoteAddr": 4, "inboundBytes": 1.5}])
def test_a_session_that_says_nothing_adds_nothing(document: Any) -> None:
    source = Source(kind="rtspSession", id=SESSION)
    assert source_details(source, document) == source
