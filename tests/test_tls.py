"""Which certificates are good enough, on every Python."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from edge_agent.https import new_session
from edge_agent.tls import client_context
from tests.pki import Pki


class _Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who does not trust it hangs up."""


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = Pki(tmp_path_factory.mktemp("pki"))
    made.authority("ca")
    made.certificate("server", subject="server")
    made.certificate("elsewhere", subject="server", address="DNS:elsewhere.example")
    return made


@pytest.fixture(params=["server", "elsewhere"])
def url(pki: Pki, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a server with such a certificate."""
    with _Server(("127.0.0.1", 0), _Hello) as server:
        server.socket = pki.server_context(request.param).wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield f"https://127.0.0.1:{server.server_port}/{request.param}"
        server.shutdown()
        serving.join(10)


@pytest.fixture
def ca(pki: Pki) -> Path:
    return pki.directory / "ca.pem"


@pytest.fixture(autouse=True)
def as_python_3_13_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Python's own contexts be as strict as they are since 3.13."""
    usual = ssl.create_default_context

    def strict(*arguments: Any, **more: Any) -> ssl.SSLContext:
        context = usual(*arguments, **more)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


def shake_hands(url: str, context: ssl.SSLContext) -> None:
    port = int(url.split(":")[2].split("/", maxsplit=1)[0])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1"),
    ):
        pass


def test_a_certificate_of_an_authority_made_by_hand_is_good_if_its_name_is(url: str, ca: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(url, ssl.create_default_context(cafile=ca))
    if url.endswith("/server"):
        shake_hands(url, client_context(ca))
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            shake_hands(url, client_context(ca))


def test_one_of_an_unknown_authority_is_not(url: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(url, client_context())


def test_a_session_asks_the_same(url: str, ca: Path) -> None:
    with new_session(url, ca=ca) as session:
        if url.endswith("/server"):
            assert session.get(url, timeout=10).content == b"hello"
        else:
            with pytest.raises(requests.exceptions.SSLError, match="IP address mismatch"):
                session.get(url, timeout=10)
    with (
        new_session(url) as session,
        pytest.raises(requests.exceptions.SSLError, match="unable to get local issuer"),
    ):
        session.get(url, timeout=10)
