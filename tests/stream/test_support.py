"""What is installed is asked, by its own name for things; what it answers differs from build to build."""

from __future__ import annotations

import av
import pytest

from edge_agent.stream.support import unsupported


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "rtmps"])
def test_what_every_build_has(scheme: str) -> None:
    assert unsupported(scheme, verify=True) is None


@pytest.mark.parametrize("scheme", ["srt", "whip", "whips"])
def test_what_is_missing_is_said_with_the_version(scheme: str) -> None:
    missing = unsupported(scheme)
    if scheme == "srt":
        present = missing is None
    else:
        present = "whip" in av.formats_available
        assert (missing is None) == present
    if not present:
        assert missing is not None
        assert missing.startswith(f"'{scheme}' cannot be published to: PyAV {av.__version__} (FFmpeg ")
        assert " lacks the " in missing


def test_a_protocol_that_no_build_has_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(unsupported.__globals__["_NEEDS"], "carrier", ("pigeon", ("pigeon",)))
    missing = unsupported("carrier")
    assert missing is not None
    assert "lacks the muxer 'pigeon' and the protocol 'pigeon'" in missing


def test_whips_is_not_taken_for_proved() -> None:
    missing = unsupported("whips", verify=True)
    assert missing is not None
    assert "whips" in missing
