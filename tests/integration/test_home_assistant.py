"""What Home Assistant is told, by a whole agent; what it makes of it is in tests/real_home_assistant."""

from __future__ import annotations

from pathlib import Path

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener


def test_the_device_leads_to_a_stream_on_this_very_machine(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    """The server is `localhost` here, and nobody else's browser would find it by that name."""
    stream = {"url": "rtsp://localhost:8554/porch"}
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, stream=stream) as agent:
        found = listener.wait(
            "homeassistant/device/porch/config",
            lambda seen: "configuration_url" in seen.json["device"],
        )
        page = found.json["device"]["configuration_url"]
        assert page.endswith(":8889/porch")
        assert "localhost" not in page
        agent.status(lambda status: status["stream"]["urls"]["webrtc"] == page, since=0)
