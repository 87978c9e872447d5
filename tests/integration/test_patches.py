"""Any patch to a live camera: what is answered is what status says afterwards, or nothing changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.camera.settings import flatten, unflatten
from tests.agent_process import AgentProcess
from tests.listener import Listener

pytestmark = pytest.mark.timeout(240)


def _values(path: str, control: Any) -> st.SearchStrategy[Any]:
    if control["options"] is not None:
        return st.sampled_from(control["options"])
    if path in ("view.roi", "focus.window"):
        edge = st.floats(0, 0.5)
        return st.fixed_dictionaries(
            {"x": edge, "y": edge, "width": st.floats(0.1, 0.5), "height": st.floats(0.1, 0.5)}
        )
    if path == "overlay.text":
        return st.sampled_from(
            ["{name} {time}", "{stream.state}", "äöü", "", "{nothing}", "{camera.nothing}"]
        )
    low, high = control["min"], control["max"]
    # Sizes stay small: it is the one setting whose price is not the agent's.
    if path in ("video.width", "video.height"):
        return st.integers(64, 640)
    beyond = (high - low) * 0.2
    numbers = st.floats(low - beyond, high + beyond)
    whole = path.endswith(("_us", "_k", "_bps", ".quality"))
    return numbers.map(round) if whole else numbers


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_status_says_what_was_answered_or_nothing_changed(
    live: tuple[AgentProcess, Listener], data: st.DataObject
) -> None:
    agent, listener = live
    seen = listener.wait(f"{agent.base}/capabilities", lambda message: message.json["camera"] is not None)
    controls = seen.json["camera"]["controls"]
    paths = data.draw(st.lists(st.sampled_from(sorted(controls)), min_size=1, max_size=4, unique=True))
    patch = unflatten({path: data.draw(_values(path, controls[path]), label=path) for path in paths})
    before = _last_settings(agent, listener)
    reply = agent.command("settings", patch)
    after = agent.status()["camera"]["settings"]
    if reply["state"] == "done":
        held = flatten(after)
        assert {path: held[path] for path in reply["applied"]} == reply["applied"]
        assert set(flatten(patch)) <= reply["applied"].keys()
        for path in paths:
            control = controls[path]
            if control["min"] is not None and isinstance(held[path], int | float):
                assert control["min"] <= held[path] <= control["max"]
    else:
        assert reply["state"] == "rejected"
        assert reply["error"]["message"]
        assert after == before


def _last_settings(agent: AgentProcess, listener: Listener) -> Any:
    return next(
        seen.json["camera"]["settings"]
        for seen in reversed(listener.seen)
        if seen.topic == f"{agent.base}/status"
    )
