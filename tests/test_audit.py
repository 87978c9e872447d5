"""The audit, by pip-audit itself, of this environment against a server of advisories that is made up."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.audit import dependencies


def _advisory(name: str) -> dict[str, object]:
    return {
        "id": f"MADE-UP-{name}",
        "summary": "a hole",
        "published": "2026-01-01T00:00:00Z",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"name": name, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.1"}]}],
            }
        ],
    }


@contextmanager
def _advisories(
    *, known: frozenset[str] = frozenset(), status: int = 200, silent: bool = False
) -> Iterator[str]:
    """Answer as api.osv.dev does, for the packages that are `known` to have a hole; or not at all."""
    over = threading.Event()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if silent:
                over.wait(30)
                return
            name = question["package"]["name"]
            body = json.dumps({"vulns": [_advisory(name)]} if name in known else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def _audit(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.audit", "--osv-url", url, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def test_the_product_depends_on_what_its_dependencies_need_but_on_no_tool() -> None:
    product, all_of_them = set(dependencies()), set(dependencies(development=True))
    assert {"paho-mqtt", "pydantic", "pydantic-core", "requests", "certifi", "pyyaml"} <= product
    assert not product & {"pytest", "mypy", "pip-audit", "amqtt", "edge-agent"}
    assert product | {"pytest", "mypy", "pip-audit", "amqtt"} <= all_of_them


def test_where_no_hole_is_known_it_says_how_many_were_asked_for() -> None:
    with _advisories() as url:
        done = _audit(url)
    assert done.returncode == 0, done.stderr
    assert f"holes in 0 of the agent's {len(dependencies())} dependencies" in done.stdout


def test_a_hole_in_what_a_dependency_needs_is_an_error() -> None:
    with _advisories(known=frozenset({"certifi"})) as url:
        done = _audit(url)
    assert done.returncode == 1
    assert f"certifi {dependencies()['certifi']}: MADE-UP-certifi, fixed by 999.1 (ERROR)" in done.stdout


def test_a_hole_in_a_tool_is_told_and_no_error() -> None:
    with _advisories(known=frozenset({"pytest"})) as url:
        done = _audit(url)
    assert done.returncode == 0, done.stderr
    assert "MADE-UP-pytest" in done.stdout
    assert "(a tool of the development alone)" in done.stdout


def test_a_server_that_answers_with_an_error_has_not_been_asked() -> None:
    with _advisories(status=404) as url:
        done = _audit(url)
    assert done.returncode == 77
    assert "*** NOT AUDITED" in done.stdout


def test_one_that_does_not_answer_is_waited_for_no_longer_than_that() -> None:
    with _advisories(silent=True) as url:
        done = _audit(url, "--timeout-s", "4")
    assert done.returncode == 77
    assert "no answer within 4 s" in done.stdout


def test_one_that_is_away_has_not_been_asked() -> None:
    with _advisories() as url:
        pass
    done = _audit(url)
    assert done.returncode == 77
    assert "*** NOT AUDITED" in done.stdout
    assert url in done.stdout
