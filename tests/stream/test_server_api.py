"""The API over real HTTP: answers, refusals, silence, floods and crumbs, each within its bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from edge_agent.stream.server_api import ServerApi
from tests.rtsp_servers import free_port
from tests.stream.fake_api import SESSION, FakeApi, basic, new_generation, old_generation

PATH = "paths/get/porch"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi({PATH: new_generation()}) as served:
        yield served


@pytest.fixture
def client(api: FakeApi) -> Iterator[ServerApi]:
    asking = ServerApi(base=api.url, path="porch")
    yield asking
    asking.close()


def test_a_path_and_its_source(api: FakeApi, client: ServerApi) -> None:
    api.documents[f"rtspsessions/get/{SESSION}"] = {"remoteAddr": "127.0.0.1:5", "inboundBytes": 9}
    answer = client.ask()
    assert answer.kind == "ok"
    assert answer.view is not None
    assert answer.view.source is not None
    assert (answer.view.source.remote, answer.view.source.inbound_bytes) == ("127.0.0.1:5", 9)
    assert api.requests == [(f"/v3/{PATH}", None), (f"/v3/rtspsessions/get/{SESSION}", None)]


def test_a_source_that_went_in_between(client: ServerApi) -> None:
    answer = client.ask()
    assert answer.view is not None
    assert answer.view.source is not None
    assert answer.view.source.remote is None


def test_the_old_generation_over_a_secured_path(api: FakeApi) -> None:
    api.documents["paths/get/house/porch%20two"] = old_generation()
    client = ServerApi(base=api.url + "/", path="house/porch two", username="me", password="secret")
    assert client.ask().kind == "ok"
    client.close()
    assert api.requests[0][1] == basic("me", "secret")


def test_a_token(api: FakeApi) -> None:
    client = ServerApi(base=api.url, path="porch", token="abc")
    client.ask()
    client.close()
    assert api.requests[0][1] == "Bearer abc"


def test_a_source_s_id_never_becomes_another_request(api: FakeApi, client: ServerApi) -> None:
    api.documents[PATH] = new_generation(source={"type": "rtspSession", "id": "../../config/global/get"})
    assert client.ask().kind == "ok"
    assert [path for path, _ in api.requests] == [f"/v3/{PATH}"]


def test_a_path_that_is_not_there(api: FakeApi, client: ServerApi) -> None:
    api.documents.clear()
    answer = client.ask()
    assert answer.kind == "missing"
    assert answer.reason == f"the server at {api.url} has no path 'porch'"
    assert client.ask().kind == "missing"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "refused"), (403, "refused"), (500, "nonsense"), (302, "nonsense"), (204, "nonsense")],
)
def test_a_no_is_told_from_a_wrong_server(api: FakeApi, client: ServerApi, status: int, kind: str) -> None:
    api.status = status
    answer = client.ask()
    assert answer.kind == kind
    assert str(status) in str(answer.reason)
    assert "secret" not in str(answer.reason)


@pytest.mark.parametrize(
    "content",
    [b"<html>", b'{"name": ', b"[]", b"x" * 100_000, b"[" * 60_000],
    ids=["html", "cut", "another document", "too much", "too deep"],
)
def test_nonsense_is_told(api: FakeApi, client: ServerApi, content: bytes) -> None:
    api.raw = content
    assert client.ask().kind == "nonsense"
    api.raw = None
    assert client.ask().kind == "ok"


def test_a_server_that_hangs_is_silent_within_seconds(api: FakeApi, client: ServerApi) -> None:
    assert client.ask().kind == "ok"
    api.silent.set()
    begin_s = time.monotonic()
    answer = client.ask()
    assert time.monotonic() - begin_s < 5
    assert answer.kind == "silent"
    assert answer.reason == f"the API at {api.url} does not answer"
    api.silent.clear()
    assert client.ask().kind == "ok"


def test_a_server_of_crumbs_is_silent_too(api: FakeApi, client: ServerApi) -> None:
    api.drip_s = 0.05
    begin_s = time.monotonic()
    assert client.ask().kind == "silent"
    assert time.monotonic() - begin_s < 8


def test_a_server_that_is_not_there(api: FakeApi) -> None:
    client = ServerApi(base=f"http://127.0.0.1:{free_port()}", path="porch", token="secret")
    answer = client.ask()
    assert answer.kind == "unreachable"
    assert "secret" not in str(answer.reason)
