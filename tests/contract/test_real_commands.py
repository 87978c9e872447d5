"""Whatever is sent to the commands that there really are, there is one final answer, and it is JSON."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.camera.commands import SETTINGS_COMMANDS
from edge_agent.camera.settings import CameraSettings
from edge_agent.catalogue import command_specs
from edge_agent.contract.command import Call, Command, Outcome, Registry
from edge_agent.contract.reply import FINAL_STATES
from edge_agent.feature import discover
from tests.clocks import settled
from tests.contract.desk import Desk

SPECS = {spec.name: spec for spec in command_specs(discover())}
PATCHES = {entry.spec.name: entry for entry in SETTINGS_COMMANDS}
FIELDS = sorted({name for spec in SPECS.values() for name in spec.arguments.model_fields})


async def echo(call: Call) -> Outcome:
    """Return the arguments as they were validated, as a handler sees them."""
    return Outcome(applied=call.arguments.model_dump(mode="json", exclude_unset=True))


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**320), max_value=10**320),
    st.floats(),
    st.text(max_size=300),
    st.sampled_from(
        ["auto", "manual", "ON", "off", "1280x720", "9" * 4000, "25" + " " * 3000, "1e999", "nan"]
    ),
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "id": scalars,
        "expires_at": scalars | st.sampled_from(["2026-06-15T12:00:01Z", "0001-01-01T00:00:00+14:00"]),
        "ttl_s": scalars,
        "dry_run": st.booleans() | scalars,
        "strict": st.booleans() | scalars,
    },
)
objects = st.tuples(
    envelopes, st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), trees, max_size=5)
)
payloads = st.one_of(
    st.binary(max_size=300),
    trees.map(lambda tree: json.dumps(tree).encode()),
    objects.map(lambda parts: json.dumps({**parts[1], **parts[0]}).encode()),
    st.text(max_size=200).map(lambda text: text.encode()),
)
names = st.sampled_from(sorted(SPECS)) | st.text(max_size=70)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@settings(max_examples=300, deadline=None)
@given(name=names, payload=payloads, retain=st.booleans() | st.just(value=False))
def test_anything_at_all_gets_one_answer(
    loop: asyncio.Runner, name: str, payload: bytes, retain: bool
) -> None:
    async def throw() -> Desk:
        with tempfile.TemporaryDirectory() as place:
            registry = Registry(Command(spec, echo) for spec in SPECS.values())
            desk = Desk(Path(place), registry=registry)
            desk.send(name, payload, retain=retain)
            await settled()
            desk.journal.close()
            return desk

    desk = loop.run(throw())
    if "/" in name:
        assert desk.sent == []
        return
    final = [reply for reply in desk.replies() if reply["state"] in FINAL_STATES]
    assert len(final) + len(desk.events()) == 1
    assert all(len(message.payload) < 65536 for message in desk.sent)
    if final and final[0]["error"]:
        assert final[0]["error"]["message"]
        assert final[0]["error"]["code"] != "internal"


async def answer(tmp_path: Path, name: str, payload: bytes) -> dict[str, Any]:
    desk = Desk(tmp_path, registry=Registry(Command(spec, echo) for spec in SPECS.values()))
    return await desk.ask(name, payload)


@pytest.mark.parametrize(
    ("name", "payload", "requested", "arguments"),
    [
        ("framerate", b"25", {"fps": 25}, {"fps": 25.0}),
        ("lens_correction", b"ON", {"enabled": "ON"}, {"enabled": True}),
        ("lens_correction", b"OFF", {"enabled": "OFF"}, {"enabled": False}),
        ("profile", b"night", {"name": "night"}, {"name": "night"}),
        ("day_night", b"auto", {"mode": "auto"}, {"mode": "auto"}),
        ("resolution", b"1280x720", {"width": 1280, "height": 720}, {"width": 1280, "height": 720}),
        ("resolution", b" 1280 X 720 ", {"width": 1280, "height": 720}, {"width": 1280, "height": 720}),
        ("bitrate", b"auto", {"bps": "auto"}, {"bps": "auto"}),
        ("bitrate", b"2500000", {"bps": 2500000}, {"bps": 2500000}),
        ("exposure", b"auto", {"mode": "auto"}, {"mode": "auto"}),
        ("hdr", b"off", {"mode": "off"}, {"mode": "off"}),
        ("restart", b"camera", {"target": "camera"}, {"target": "camera"}),
        ("refresh", b"", {}, {}),
    ],
)
async def test_the_main_argument_may_be_bare(
    tmp_path: Path, name: str, payload: bytes, requested: Any, arguments: Any
) -> None:
    reply = await answer(tmp_path, name, payload)
    assert reply["error"] is None
    assert (reply["requested"], reply["applied"]) == (requested, arguments)


@pytest.mark.parametrize(
    ("name", "payload", "message"),
    [
        ("bitrate", b"fast", "'bps' cannot be 'fast': it should be a whole number or 'auto'"),
        (
            "bitrate",
            b"atuo",
            "'bps' cannot be 'atuo': it should be a whole number or 'auto'; did you mean 'auto'?",
        ),
        ("bitrate", b"{}", "'bps' is missing"),
        ("framerate", b"fast", "'fps' cannot be 'fast': it should be a number"),
        ("framerate", b"null", "'fps' cannot be null: it should be a number"),
        ("resolution", b"big", 'a resolution is written like 1280x720, or {"width": 1280, "height": 720}'),
        (
            "roi",
            b"left",
            "roi is 'full', or an object with x, y, width and height in fractions of the picture",
        ),
        (
            "settings",
            b'{"exposure": {"tim_us": 5}}',
            "there is no 'exposure.tim_us'; did you mean 'time_us'?",
        ),
        ("settings", b'{"exposure": 5}', "'exposure' cannot be 5: it should be an object"),
        (
            "settings",
            b'{"view": {"roi": {"x": 3}}}',
            "'view.roi.x' cannot be 3: it should be less than or equal to 1",
        ),
        (
            "focus",
            b'{"window": {"x": "left"}}',
            "'window.x' cannot be 'left': it should be a number",
        ),
        ("transform", b'{"rotation": 45}', "'rotation' cannot be 45: it should be 0, 90, 180 or 270"),
    ],
)
async def test_a_refusal_can_be_read(tmp_path: Path, name: str, payload: bytes, message: str) -> None:
    reply = await answer(tmp_path, name, payload)
    assert reply["state"] == "rejected"
    assert reply["error"]["message"] == message


@pytest.mark.parametrize("name", sorted(PATCHES))
def test_every_argument_of_a_settings_command_is_a_setting(name: str) -> None:
    entry = PATCHES[name]
    fields = set(entry.spec.arguments.model_fields)
    if name != "settings":
        assert set(entry.paths) == fields
    for argument, path in entry.paths.items():
        assert entry.argument_of(path) == argument
        node: Any = CameraSettings().model_dump()
        for part in path.split("."):
            node = node[part]
