"""Whatever is asked for is refused, or within every limit, and comes to rest."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.drivers.simulated.sensor import capabilities as simulated
from edge_agent.camera.limits import effective_limits, resolve, starting_settings
from edge_agent.camera.settings import CameraSettings, flatten
from edge_agent.camera.software import SoftwareSettings
from edge_agent.errors import RefusedError
from tests.camera.imx708 import FIXED_SIZES, IMX708, NO_LENS_DRIVE

numbers = st.one_of(
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.sampled_from([0, -1, 1, 26, 10**30, 10**300, 1e300, -1e300, 1e-300, 5e-324]),
)
words = st.sampled_from(["auto", "manual", "off", "normal", "day", "scale", "crop", "night", "50hz", "ON"])
windows = st.dictionaries(
    st.sampled_from(["x", "y", "width", "height"]), st.floats(-0.5, 1.5) | numbers, max_size=4
)
values = numbers | words | st.none() | st.booleans() | windows | st.sampled_from([0, 90, 180, 270])


def _patches() -> st.SearchStrategy[dict[str, Any]]:
    document = CameraSettings().model_dump()
    groups = {
        group: st.dictionaries(st.sampled_from(sorted(fields)), values, max_size=4)
        if isinstance(fields, dict)
        else values
        for group, fields in document.items()
    }
    return st.fixed_dictionaries({}, optional=groups)


# Mostly right, so that many are taken.
likely = st.fixed_dictionaries(
    {},
    optional={
        "exposure": st.fixed_dictionaries(
            {},
            optional={
                "time_us": st.integers(-10, 10**9),
                "gain": st.floats(-5, 50),
                "min_time_us": st.integers(-10, 10**6),
                "max_time_us": st.integers(-10, 10**9),
                "mode": st.sampled_from(["auto", "manual"]),
            },
        ),
        "focus": st.fixed_dictionaries({}, optional={"position": st.floats(-5, 50)}),
        "video": st.fixed_dictionaries(
            {},
            optional={
                "width": st.integers(-10, 10_000),
                "height": st.integers(-10, 10_000),
                "fps": st.floats(-10, 1000),
                "bitrate_bps": st.integers(-10, 10**9),
                "bitrate_auto": st.booleans(),
                "h264_level": st.sampled_from(["auto", "3.1", "4.0", "5.2"]),
                "h264_profile": st.sampled_from(["baseline", "high"]),
                "quality": st.none() | st.integers(-10, 100),
            },
        ),
    },
)
cameras = st.sampled_from(
    [IMX708, FIXED_SIZES, NO_LENS_DRIVE, simulated(), SoftwareSettings(simulated()).capabilities]
)


@settings(max_examples=400, deadline=None)
@given(camera=cameras, patches=st.lists(likely | _patches(), min_size=1, max_size=3))
def test_any_patch_is_refused_or_within_every_limit_and_comes_to_rest(
    camera: CameraCapabilities, patches: list[dict[str, Any]]
) -> None:
    current, _ = starting_settings({}, camera)
    refusals: list[str] = []
    for patch in patches:
        try:
            resolution = resolve(patch, current=current, capabilities=camera)
        except RefusedError as error:
            refusals.append(error.message)
            continue
        held = resolution.settings
        for path, value in flatten(held.model_dump()).items():
            control = camera.controls.get(path)
            if control is None or value is None:
                continue
            if control.options is not None:
                assert value in control.options
            elif not isinstance(value, dict):
                assert control.min is None or value >= control.min
                assert control.max is None or value <= control.max
        limits = effective_limits(held, camera)
        assert held.video.fps <= (limits["fps"].max or math.inf)
        again = resolve(held.model_dump(), current=held, capabilities=camera, strict=True)
        assert again.settings == held
        assert not again.interrupts
        current = held
    assert all(0 < len(message) < 2000 for message in refusals)


@settings(max_examples=200, deadline=None)
@given(camera=cameras, wanted=_patches() | st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_a_start_never_fails_whatever_is_wanted(camera: CameraCapabilities, wanted: dict[str, Any]) -> None:
    started, left_out = starting_settings(wanted, camera)
    assert resolve({}, current=started, capabilities=camera).settings == started
    assert all(left_out.values())
