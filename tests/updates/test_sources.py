"""Who tells the newest version: programs and servers of a test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import load
from edge_agent.errors import ConfigError, EdgeAgentError
from edge_agent.updates.config import UpdatesConfig
from edge_agent.updates.sources import Apt, Told, ask_url
from tests.updates.machine import CODE, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def apt(machine: Machine) -> Apt:
    return Apt(path=machine.path, code=CODE)


async def test_the_package_is_what_dpkg_says(machine: Machine) -> None:
    machine.package("1:2.0-3")
    assert await apt(machine).installed() == "1:2.0-3"
    # It is dpkg that starts the agent, and only then is done.
    machine.package("1:2.0-3", state="half-configured")
    assert await apt(machine).installed() == "1:2.0-3"


async def test_it_is_not_the_package_that_runs(machine: Machine) -> None:
    machine.files(Path("/usr/lib/python3/dist-packages/edge_agent/__init__.py"))
    assert await apt(machine).installed() is None
    machine.files(CODE)
    machine.package("1.0", state="config-files")
    assert await apt(machine).installed() is None
    machine.without("dpkg-query")
    assert await apt(machine).installed() is None


async def test_apt_tells_its_candidate(machine: Machine) -> None:
    machine.candidate("1.1~rc1")
    assert await apt(machine).candidate() == Told(version="1.1~rc1")


@pytest.mark.parametrize("candidate", ["(none)", "1.0;reboot", ""])
async def test_apt_that_knows_none_is_told(machine: Machine, candidate: str) -> None:
    machine.candidate(candidate)
    with pytest.raises(EdgeAgentError, match="apt-cache policy edge-agent") as caught:
        await apt(machine).candidate()
    assert caught.value.code == "update_source_failed"


async def test_apt_that_fails_is_told(machine: Machine) -> None:
    machine.program("apt-cache", "exit 100")
    with pytest.raises(EdgeAgentError, match="apt knows no version"):
        await apt(machine).candidate()


@pytest.mark.parametrize("with_dpkg", [True, False])
async def test_dpkg_compares_where_there_is_one(machine: Machine, *, with_dpkg: bool) -> None:
    if with_dpkg:
        # It is asked, and not understood by halves: by its word 1 is newer than 2.
        machine.program("dpkg", '[ "$1 $2 $3 $4" = "--compare-versions 1 gt 2" ]')
    assert await apt(machine).is_newer("1", "2") is with_dpkg


class Server:
    """Answers every request with `status` and `content`."""

    def __init__(self) -> None:
        self.status, self.content = 200, b""
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/latest?token=geheim"


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    thread = threading.Thread(target=served.server.serve_forever, args=(0.05,))
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"version": "1.2"}, Told(version="1.2")),
        (
            {"version": " v1.2 ", "summary": "x" * 300, "url": "https://host/notes"},
            Told(version="1.2", summary="x" * 255, url="https://host/notes"),
        ),
        # What would not be an address for Home Assistant is left out.
        ({"version": "1.2", "summary": 5, "url": "javascript:alert(1)"}, Told(version="1.2")),
        ({"version": "1.2", "url": "https://"}, Told(version="1.2")),
        ({"version": "1.2", "url": "https://[x/"}, Told(version="1.2")),
        # As GitHub's API tells a release.
        (
            {"tag_name": "v1.2", "name": "News", "html_url": "https://host/1.2", "url": "https://host/api"},
            Told(version="1.2", summary="News", url="https://host/1.2"),
        ),
    ],
)
def test_a_url_tells(server: Server, document: Any, told: Told) -> None:
    server.content = json.dumps(document).encode()
    assert ask_url(server.url, None) == told
    assert server.asked == ["/latest?token=geheim"]


@pytest.mark.parametrize(
    ("status", "content", "message"),
    [
        (404, b"", "answers 404"),
        (302, b'{"version": "9"}', "answers 302"),
        (200, b"<html>", "does not answer with JSON"),
        (200, b"[" * 100_000, "does not answer with JSON"),
        (200, b"[1]", "does not answer with an object"),
        (200, b'{"version": "$(reboot)"}', "tells no version"),
        (200, b'{"version": 1.2}', "tells no version"),
        (200, b" " * (256 * 1024 + 1), "answers with more than 262144 bytes"),
    ],
)
def test_a_url_that_tells_nothing_is_told_without_its_secrets(
    server: Server, status: int, content: bytes, message: str
) -> None:
    server.status, server.content = status, content
    server.headers = {"Location": "/elsewhere"}
    with pytest.raises(EdgeAgentError, match=message) as caught:
        ask_url(server.url, None)
    assert caught.value.code == "update_source_failed"
    assert "geheim" not in caught.value.message
    assert len(server.asked) == 1


def test_a_url_that_is_not_there_is_told_without_its_secrets() -> None:
    with pytest.raises(
        EdgeAgentError, match=r"http://127.0.0.1:1/\?token=\*\*\* cannot be reached"
    ) as caught:
        ask_url("http://127.0.0.1:1/?token=geheim", None)
    assert "geheim" not in caught.value.message


@pytest.mark.parametrize("url", ["https://host/latest", "http://localhost:8000/x", "http://[::1]/x"])
def test_a_url_is_encrypted_or_of_this_machine(tmp_path: Path, url: str) -> None:
    assert load_updates(tmp_path, f"url: '{url}'").url == url


@pytest.mark.parametrize(
    "url", ["http://host/latest", "ftp://host/x", "https://", "latest", "http://10.0.0.1/"]
)
def test_any_other_url_is_an_error_that_says_so(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"updates\.url.*https://"):
        load_updates(tmp_path, f"url: '{url}'")


def load_updates(directory: Path, text: str) -> UpdatesConfig:
    file = directory / "config.yaml"
    file.write_text(f"updates: {{{text}}}")
    return load(file, environ={}, sections={"updates": UpdatesConfig}).section("updates", UpdatesConfig)
