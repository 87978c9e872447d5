"""A picture under a profile, of a whole agent: the profile holds for that picture, and for nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener

pytestmark = pytest.mark.timeout(60)

_PROFILES = """
grey: {settings: {exposure: {time_us: 5000, gain: 4.0}, image: {saturation: 0}}}
auto: {settings: {exposure: {mode: auto}}}
"""


def _colour(jpeg: bytes) -> float:
    """How much colour is in a picture."""
    pixels = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), float)
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())


def test_a_profile_holds_for_one_picture_and_for_nothing_else(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    (tmp_path / "own/profiles").mkdir(parents=True)
    (tmp_path / "own/profiles/p.yaml").write_text(_PROFILES)
    with AgentProcess(
        tmp_path,
        port=mosquitto.port,
        listener=listener,
        profiles={"directories": [str(tmp_path / "own")]},
        snapshots={"min_free_mb": 0},
    ) as agent:
        agent.online()
        agent.running()
        assert agent.command("exposure", {"time_us": 2000, "gain": 2.0})["state"] == "done"
        before = agent.status(lambda status: status["camera"]["settings"]["exposure"]["mode"] == "manual")

        since = listener.mark()
        dry = agent.command("snapshot", {"profile": "grey", "dry_run": True})
        assert dry["result"] == {"to": ["mqtt", "store"], "interrupts_stream": None}
        reply = agent.command("snapshot", {"profile": "grey"})
        assert reply["state"] == "done", reply
        taken = reply["result"]
        assert taken["exposure_us"] == pytest.approx(5000, rel=0.01)
        assert taken["analogue_gain"] == pytest.approx(4.0, rel=0.01)
        assert (taken["settings_shown"], taken["interrupts_stream"]) == (True, None)
        latest = f"{agent.base}/image/latest"
        assert _colour(listener.wait(latest, since=since).payload) < 1

        since = listener.mark()
        mine = agent.command("snapshot", {"profile": "grey", "time_us": 3000})["result"]
        assert mine["exposure_us"] == pytest.approx(3000, rel=0.01)
        listener.wait(latest, since=since)
        # What manual mode holds must not be left over beside the profile's automatic.
        assert agent.command("snapshot", {"profile": "auto"})["state"] == "done"

        since = listener.mark()
        plain = agent.command("snapshot", {"to": ["mqtt"]})["result"]
        assert plain["exposure_us"] == pytest.approx(2000, rel=0.01)
        assert _colour(listener.wait(latest, since=since).payload) > 3
        after = agent.status(lambda status: status["camera"]["for_picture"] is None)
        assert after["camera"]["settings"] == before["camera"]["settings"]
        assert after["profile"]["active"] is None

        unknown = agent.command("snapshot", {"profile": "graey"})
        assert unknown["state"] == "rejected"
        assert "grey" in unknown["error"]["message"]
