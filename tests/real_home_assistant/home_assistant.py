"""A real Home Assistant Core on the loopback: started, set up by its own API, asked, stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

from tests.brokers import free_port

__all__ = ["HomeAssistant"]

_OWNER = {"name": "Owner", "username": "owner", "password": "owner", "language": "en"}
# The steps of onboarding that would ask the internet.
_DONE = ["core_config", "analytics", "integration"]
_CONFIGURATION = """
homeassistant: {{name: Home, time_zone: UTC, unit_system: metric, currency: EUR, country: DE,
  latitude: 52.5, longitude: 13.4}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
automation: !include automations.yaml
api:
config:
logger: {{default: info}}
"""


class HomeAssistant:
    """Its configuration is `directory`; started again there, it knows what it knew. One MQTT broker."""

    def __init__(self, venv: Path, directory: Path, *, broker_port: int, automations: str = "[]") -> None:
        self._hass = venv / "bin/hass"
        self._directory = directory
        self._broker_port = broker_port
        self._port = free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        self._token: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        storage = directory / ".storage"
        storage.mkdir(parents=True)
        (directory / "configuration.yaml").write_text(_CONFIGURATION.format(port=self._port))
        (directory / "automations.yaml").write_text(automations)
        head = {"version": 4, "minor_version": 1, "key": "onboarding"}
        (storage / "onboarding").write_text(json.dumps({**head, "data": {"done": _DONE}}))

    def start(self) -> None:
        """Start it, and wait until it has started and is on the broker."""
        directory = self._directory
        with (directory / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [self._hass, "--config", directory, "--skip-pip", "--log-no-color"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self.wait("Home Assistant's web server", self._answers, timeout_s=120)
        if self._token is None:
            self._onboard()
        self.wait("the end of Home Assistant's start", lambda: self.get("/api/config")["state"] == "RUNNING")
        if not self._mqtt():
            self._connect_mqtt()
        self.wait("MQTT", lambda: self._mqtt()[0]["state"] == "loaded")

    def stop(self) -> None:
        """Stop it as its owner does; it writes what it knows while it ends."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self, what: str, condition: Callable[[], Any], *, timeout_s: float = 30.0) -> Any:
        """Return the first true value of `condition`, asked until the time is over."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"Home Assistant has ended: {self.log()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {timeout_s:g} s")
            time.sleep(0.2)
        return value

    # ---- its API

    def _request(self, method: str, path: str, body: Any = None, *, form: bool = False) -> bytes:
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        data = None
        if body is not None:
            data = (urllib.parse.urlencode(body) if form else json.dumps(body)).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            error.add_note(f"{method} {path}: {error.read(1000).decode(errors='replace')}")
            raise
        return content

    def get(self, path: str) -> Any:
        return json.loads(self._request("GET", path))

    def post(self, path: str, body: Any) -> Any:
        return json.loads(self._request("POST", path, body))

    def ask(self, kind: str, **fields: Any) -> Any:
        """Send one command to the WebSocket API and return its result."""
        with connect(f"ws://127.0.0.1:{self._port}/api/websocket", proxy=None, max_size=2**24) as socket:
            socket.recv()
            socket.send(json.dumps({"type": "auth", "access_token": self._token}))
            socket.recv()
            socket.send(json.dumps({"id": 1, "type": kind, **fields}))
            answer = json.loads(socket.recv(timeout=30))
        if not answer.get("success"):
            raise RuntimeError(f"{kind}: {answer.get('error')}")
        return answer["result"]

    def _answers(self) -> bool:
        try:
            self._request("GET", "/manifest.json")
        except (OSError, urllib.error.URLError):
            return False
        return True

    def _onboard(self) -> None:
        client = f"{self._url}/"
        code = self.post("/api/onboarding/users", {**_OWNER, "client_id": client})["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": client}
        self._token = json.loads(self._request("POST", "/auth/token", form, form=True))["access_token"]

    def _mqtt(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.get("/api/config/config_entries/entry?domain=mqtt")
        return entries

    def _connect_mqtt(self) -> None:
        flows = "/api/config/config_entries/flow"
        flow = self.post(flows, {"handler": "mqtt", "show_advanced_options": False})
        broker: dict[str, Any] = {"broker": "127.0.0.1", "port": self._broker_port}
        if any(field["name"] == "other_settings" for field in flow["data_schema"]):
            # The newest wants this part of its form, too.
            broker["other_settings"] = {"set_client_cert": False, "set_ca_cert": "off"}
        result = self.post(f"{flows}/{flow['flow_id']}", broker)
        if result["type"] != "create_entry":
            raise RuntimeError(f"MQTT was not set up: {result}")

    # ---- what a test asks

    def devices(self) -> list[dict[str, Any]]:
        """Return the devices that came by MQTT."""
        devices: list[dict[str, Any]] = self.ask("config/device_registry/list")
        entries = {entry["entry_id"] for entry in self._mqtt()}
        return [device for device in devices if entries & set(device["config_entries"])]

    def entities(self) -> dict[str, dict[str, Any]]:
        """Return what is registered and came by MQTT, by the end of its unique id: the agent's key."""
        found = [entry for entry in self.ask("config/entity_registry/list") if entry["platform"] == "mqtt"]
        return {self._key(entry["unique_id"]): entry for entry in found}

    @staticmethod
    def _key(unique_id: str) -> str:
        return "_".join(unique_id.split("_")[3:])  # edge_agent_<12 hex digits>_<key>

    def enable_everything(self) -> None:
        """Enable what is not by default, as its owner can, and wait for what that brings.

        Half a minute later it sets MQTT up anew. That would come in the midst of another test: everything is
        unavailable for a moment then, and a service called in it goes nowhere.
        """
        before = self.log().count(_ANEW)
        for entry in self.entities().values():
            if entry["disabled_by"] is not None:
                self.ask("config/entity_registry/update", entity_id=entry["entity_id"], disabled_by=None)
        self.wait("MQTT set up anew", lambda: self.log().count(_ANEW) > before, timeout_s=90)

    def states(self) -> dict[str, str]:
        """Return every state that came by MQTT, by the agent's key; what is disabled has none."""
        states = {state["entity_id"]: state["state"] for state in self.get("/api/states")}
        return {
            key: states[entry["entity_id"]]
            for key, entry in self.entities().items()
            if entry["entity_id"] in states
        }

    def state(self, key: str) -> str | None:
        """Return one state by the agent's key."""
        return self.states().get(key)

    def attributes(self, key: str) -> dict[str, Any]:
        """Return the attributes of one entity."""
        found: dict[str, Any] = self.get(f"/api/states/{self.entities()[key]['entity_id']}")["attributes"]
        return found

    def wait_state(self, key: str, *expected: str, timeout_s: float = 30.0) -> None:
        """Wait until an entity is in one of these states."""
        try:
            self.wait(key, lambda: self.state(key) in expected, timeout_s=timeout_s)
        except TimeoutError:
            raise TimeoutError(f"{key} is {self.state(key)!r}, not {expected}") from None

    def call(self, service: str, key: str, **data: Any) -> None:
        """Call `domain.service` on one entity."""
        entity_id = self.entities()[key]["entity_id"]
        self.post(f"/api/services/{service.replace('.', '/')}", {"entity_id": entity_id, **data})

    def picture(self, key: str) -> bytes:
        """Return the picture of a camera or image."""
        entity_id = self.entities()[key]["entity_id"]
        return self._request("GET", f"/api/{entity_id.partition('.')[0]}_proxy/{entity_id}")

    def complaints(self) -> list[str]:
        """Return the warnings and errors in its log, but for those about itself."""
        return [
            line
            for line in self.log().splitlines()
            if (" WARNING " in line or " ERROR " in line or " CRITICAL " in line)
            and not any(own in line for own in _OF_ITS_OWN)
        ]

    def log(self) -> str:
        """Return what it has logged since its last start, and in the life before."""
        paths = [self._directory / f"home-assistant.log{end}" for end in (".1", "")]
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())


_ANEW = "Reloading configuration entries because disabled_by changed"
_OF_ITS_OWN = (
    "[homeassistant.bootstrap] Skipping pip installation",
    "[aiohttp_fast_zlib]",
    # It says so when the broker goes.
    "[homeassistant.components.mqtt.client] Disconnected from MQTT server",
    "[homeassistant.components.mqtt.client] Failed to connect to MQTT server",
    "[homeassistant.components.mqtt.client] Error returned from MQTT server: The connection was lost",
    # The newest wants an address, a player of sounds and the internet, none of which it has here.
    "[homeassistant.components.network] Because the system does not have any enabled IPv4 addresses",
    "[haffmpeg.",
    "Error setting up entry Analytics for analytics",
    "Error setting up entry  for marketplace",
    # Without libturbojpeg it does not make pictures smaller.
    "[homeassistant.components.camera.img_util]",
)
