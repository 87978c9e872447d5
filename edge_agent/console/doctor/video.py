"""The camera, and the server that its stream goes to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from edge_agent.camera.drivers.registry import AUTO, open_driver, survey
from edge_agent.clock import Clock
from edge_agent.config import Configuration
from edge_agent.console.doctor.finding import Finding, failed, ok, warned
from edge_agent.errors import ConfigError, EdgeAgentError
from edge_agent.stream.server_api import ServerApi
from edge_agent.stream.url import parse_stream_url
from edge_agent.stream.viewing import path_name

__all__ = ["camera_findings", "stream_findings"]

_OPEN_S: Final = 20.0
_CONNECT_S: Final = 3.0


def camera_findings(
    configuration: Configuration, *, agent_runs: bool, status: dict[str, Any], clock: Clock
) -> Iterator[Finding]:
    """Yield whether the camera opens; where an agent has it, what that says of it."""
    camera = configuration.camera
    if agent_runs:
        said = status.get("camera")
        state = said.get("state") if isinstance(said, dict) else None
        if state == "running":
            yield ok("camera", "the running agent has it, and it gives frames")
        else:
            reason = said.get("reason") if isinstance(said, dict) else None
            yield failed(
                "camera",
                f"the running agent says '{state}': {reason}",
                "look at its cable, and at 'edge-agent cameras'",
            )
        return
    chosen = camera.driver
    if chosen == AUTO:
        chosen = next((entry.driver for entry in survey() if entry.chosen), AUTO)
    outcome: list[Finding] = []

    def try_it() -> None:
        try:
            driver, can, because = open_driver(camera.driver, options=camera.driver_options(), clock=clock)
        except EdgeAgentError as error:
            outcome.append(failed("camera", error.message, "'edge-agent cameras' shows what is attached"))
            return
        driver.close()
        if camera.driver == AUTO and can.driver == "simulated":
            outcome.append(
                warned(
                    "camera",
                    f"the simulated one: {because}",
                    "attach a camera, or set camera.driver: simulated where that is meant",
                )
            )
        else:
            outcome.append(ok("camera", f"{can.model} by driver {can.driver} opens"))

    # A camera that hangs hangs for ever: it must not keep this program.
    thread = threading.Thread(target=try_it, daemon=True)
    thread.start()
    thread.join(_OPEN_S)
    yield from outcome or [
        failed("camera", f"the driver {chosen} did not open it within {_OPEN_S:g} s", "look at its cable")
    ]


def stream_findings(configuration: Configuration) -> Iterator[Finding]:
    """Yield whether the server takes connections, and what its API says."""
    if not configuration.stream.enabled:
        yield ok("stream", "is not enabled at the start (stream.enabled)")
        return
    try:
        url = parse_stream_url(configuration.stream_url)
    except ConfigError as error:
        yield failed("stream", error.message, "mend stream.url")
        return
    yield _rtsp(url.host, url.port, masked=url.masked, plain=url.scheme == "rtsp")
    server = configuration.stream.server
    if server.api is None:
        yield ok("stream API", "none is configured (stream.server.api)")
        return
    api = ServerApi(
        base=server.api,
        path=path_name(configuration.stream_url),
        username=server.username,
        password=server.password.get_secret_value() if server.password else None,
        token=server.token.get_secret_value() if server.token else None,
        ca=server.ca,
    )
    answer = api.ask()
    api.close()
    if answer.kind == "ok":
        yield ok("stream API", f"{server.api} answers, and has the path")
    elif answer.kind == "missing":
        yield ok("stream API", f"{server.api} answers; nobody publishes now")
    else:
        yield failed("stream API", str(answer.reason), "see stream.server, and 'api: yes' in mediamtx.yml")


def _rtsp(host: str, port: int, *, masked: str, plain: bool) -> Finding:
    advice = "is MediaMTX running there ('systemctl status mediamtx'), and the port right?"
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_S) as connection:
            if not plain:
                return ok("stream", f"{masked} takes connections")
            # Without credentials and without a path: it is only asked what it is.
            where = urlsplit(f"rtsp://[{host}]" if ":" in host else f"rtsp://{host}").netloc
            connection.sendall(f"OPTIONS rtsp://{where}:{port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            answer = connection.recv(64)
    except OSError as error:
        return failed("stream", f"{masked} cannot be reached: {error.strerror or error}", advice)
    if not answer.startswith(b"RTSP/"):
        return failed("stream", f"what answers at {masked} is no RTSP server", advice)
    return ok("stream", f"{masked} answers")
