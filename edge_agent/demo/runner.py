"""The demo: broker, receiver and agent as processes of their own, and what they do on the screen."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO, Any, Final, Self

import yaml

from edge_agent.clock import Clock, SystemClock
from edge_agent.config import MqttConfig
from edge_agent.console.fleet import Fleet, Node
from edge_agent.console.observer import Observer
from edge_agent.demo.view import DemoView, Receiver, plain_line
from edge_agent.errors import ConfigError, ProcessError

__all__ = ["run_demo"]

_NODE: Final = "demo"
_START_S: Final = 20.0
_STOP_S: Final = 8.0
_MEDIAMTX_PORT: Final = 8554
_SNAPSHOT_EVERY_S: Final = 15.0
# Its processes are sessions of their own: nobody else would end them when the terminal is closed.
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Process:
    """A process of the demo, stopped with the block; its errors go to a file, not over the screen."""

    def __init__(self, *, name: str, arguments: Sequence[str], log: Path, environ: dict[str, str]) -> None:
        self.name = name
        self._arguments = arguments
        self._log = log
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None
        self._file: IO[bytes] | None = None

    @property
    def output(self) -> asyncio.StreamReader:
        """What it writes."""
        if self._process is None or self._process.stdout is None:
            raise ProcessError(f"the demo's {self.name} is not running")
        return self._process.stdout

    @property
    def ended(self) -> int | None:
        """Its exit code, None while it runs."""
        return None if self._process is None else self._process.returncode

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-1500:].strip() if self._log.exists() else ""

    async def __aenter__(self) -> Self:
        self._file = self._log.open("wb")
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._file,
            env=self._environ,
            start_new_session=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._file is not None:
            self._file.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.3)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _demo_config(directory: Path, *, mqtt: dict[str, Any], url: str) -> Path:
    document = {
        "node": {"id": _NODE, "name": "Demo camera"},
        "mqtt": mqtt,
        # A day of four minutes, so that there is light at any hour and dusk can be waited for.
        "camera": {"driver": "simulated", "options": {"day_s": 240, "start_hour": 9}},
        "stream": {"url": url, "width": 1280, "height": 720, "fps": 30},
        "status": {"interval_s": 2},
        "heartbeat": {"interval_s": 5},
        # The light alone decides here: schedules by the clock would contradict a day of four minutes.
        "profiles": {"directories": [], "day_night": {"mode": "auto", "dwell_s": 2}},
        "state_dir": str(directory / "state"),
    }
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


async def run_demo(*, broker: str | None, seconds: float | None, plain: bool) -> int:
    """Run until a signal or for `seconds`; return 0 where a live agent was seen streaming, or at a signal.

    Must be called in the main thread: a signal to end stops every process that was started here.
    """
    running = asyncio.create_task(_run(broker=broker, seconds=seconds, plain=plain), name="demo")

    def end() -> None:
        # A second signal must not interrupt the tidying up: it is bounded.
        if not running.cancelling():
            running.cancel()

    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, end)
    try:
        return await running
    except asyncio.CancelledError:
        return 0
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)


async def _run(*, broker: str | None, seconds: float | None, plain: bool) -> int:
    clock = SystemClock()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_AGENT_")}
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-agent-demo-")))

        async def start(name: str, *arguments: str) -> _Process:
            process = _Process(
                name=name,
                arguments=[sys.executable, "-m", *arguments],
                log=directory / f"{name}.log",
                environ=environ,
            )
            return await stack.enter_async_context(process)

        host, port = _broker_address(broker)
        mqtt: dict[str, Any] = {"host": host, "port": port}
        told_broker = f"{host}:{port}"
        if broker is None:
            serving = await start("broker", "edge_agent.demo.broker", str(port))
            await _ready(serving)
            told_broker += " (embedded)"
            mqtt["protocol"] = "3.1.1"  # all that the embedded broker speaks: saves asking
        receiver: _Process | None = None
        picture = directory / "stream.jpg"
        if _listens(_MEDIAMTX_PORT):
            url = f"rtsp://127.0.0.1:{_MEDIAMTX_PORT}/{_NODE}"
            told_target = f"{url} (a server that was there)"
        else:
            url = f"rtsp://127.0.0.1:{_free_port()}/{_NODE}"
            told_target = f"{url} (a small receiver: no RTSP server on port {_MEDIAMTX_PORT})"
            receiver = await start(
                "receiver", "edge_agent.demo.receiver", "--url", url, "--picture", str(picture)
            )
        path = _demo_config(directory, mqtt=mqtt, url=url)
        agent = await start("agent", "edge_agent", "run", "--config", str(path))
        view = DemoView(
            broker=told_broker,
            target=told_target,
            picture=picture if receiver else None,
            commands=_commands_to_try(path),
            receiver=Receiver(),
        )
        demo = _Demo(
            mqtt=MqttConfig.model_validate(mqtt), view=view, agent=agent, receiver=receiver, clock=clock
        )
        return await demo.show(seconds=seconds, plain=plain)


def _broker_address(broker: str | None) -> tuple[str, int]:
    if broker is None:
        return "127.0.0.1", _free_port()
    host, _, port = broker.partition(":")
    if port and not port.isdigit():
        raise ConfigError(f"--broker is HOST or HOST:PORT, not '{broker}'")
    return host, int(port or 1883)


async def _ready(process: _Process) -> None:
    try:
        line = await asyncio.wait_for(process.output.readline(), _START_S)
    except TimeoutError:
        line = b""
    if line.strip() != b"ready":
        raise ProcessError(f"the demo's {process.name} did not start:\n{process.last_words()}")


def _commands_to_try(config: Path) -> list[str]:
    program = Path(sys.argv[0])
    edge_agent = (
        shlex.quote(str(program)) if program.name == "edge-agent" else f"{sys.executable} -m edge_agent"
    )
    return [
        f"{edge_agent} send -c {config} exposure time_us=2000 gain=1.5",
        f"{edge_agent} send -c {config} day_night night",
        f"{edge_agent} send -c {config} snapshot",
    ]


class _Demo:
    """Watches the agent, asks for a snapshot now and then, and draws."""

    def __init__(
        self, *, mqtt: MqttConfig, view: DemoView, agent: _Process, receiver: _Process | None, clock: Clock
    ) -> None:
        self._mqtt = mqtt
        self._view = view
        self._agent = agent
        self._receiver = receiver
        self._clock = clock
        self._fleet = Fleet(root=mqtt.root)
        self._streamed = False

    async def show(self, *, seconds: float | None, plain: bool) -> int:
        """Draw until the time is up or the agent ends."""
        node = self._fleet.nodes.setdefault(_NODE, Node(_NODE))
        subscriptions = self._fleet.subscriptions()
        async with Observer(config=self._mqtt, subscriptions=subscriptions, clock=self._clock) as observer:
            tasks = [
                asyncio.create_task(self._listen(observer), name="listen"),
                asyncio.create_task(self._take_pictures(observer), name="pictures"),
            ]
            if self._receiver is not None:
                tasks.append(asyncio.create_task(self._count(self._receiver), name="count"))
            drawing = self._print_lines(node) if plain or not sys.stdout.isatty() else self._draw(node)
            try:
                async with asyncio.timeout(seconds):
                    await drawing
            except TimeoutError:
                pass
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if self._agent.ended is not None:
            sys.stderr.write(f"the agent ended with {self._agent.ended}:\n{self._agent.last_words()}\n")
            return 1
        return 0 if self._streamed else 1

    async def _listen(self, observer: Observer) -> None:
        async for message in observer.messages():
            node = self._fleet.take(message)
            if node is not None and node.get("stream", "state") == "publishing":
                self._streamed = True

    async def _take_pictures(self, observer: Observer) -> None:
        while not self._streamed:
            await self._clock.sleep(0.2)
        while True:
            observer.send(f"{self._mqtt.root}/{_NODE}/cmd/snapshot", {"quality": 80})
            await self._clock.sleep(_SNAPSHOT_EVERY_S)

    async def _count(self, receiver: _Process) -> None:
        while line := await receiver.output.readline():
            self._view.receiver = Receiver.of(json.loads(line))

    async def _draw(self, node: Node) -> None:
        from rich.live import Live  # noqa: PLC0415 - only where it shows something

        with Live(auto_refresh=False, screen=True) as live:
            while self._agent.ended is None:
                live.update(self._view.screen(node), refresh=True)
                await self._clock.sleep(0.25)

    async def _print_lines(self, node: Node) -> None:
        sys.stdout.write("\n".join(["Try in another terminal:", *self._view.commands, ""]))
        last = ""
        while self._agent.ended is None:
            line = plain_line(node, self._view.receiver if self._receiver else None)
            if line != last:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
                last = line
            await self._clock.sleep(1.0)
