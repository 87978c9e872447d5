from __future__ import annotations

import pytest

from edge_agent.updates.versions import is_newer, is_version


@pytest.mark.parametrize(
    "older_to_newer",
    [
        ("0.9", "1.0", "1.0.1", "1.2", "1.10", "10"),
        ("1.0.dev3", "1.0rc1", "1.0rc2", "1.0", "1.0+1", "1.0.2"),
        ("1.0~rc1", "1.0", "1.0-1", "1.0-2"),
    ],
)
def test_versions_are_in_order(older_to_newer: tuple[str, ...]) -> None:
    for position, older in enumerate(older_to_newer):
        for newer in older_to_newer[position + 1 :]:
            assert is_newer(newer, older), (newer, older)
            assert not is_newer(older, newer), (older, newer)


def test_zeros_at_the_end_make_no_newer_one() -> None:
    assert not is_newer("1.0.0", "1")
    assert not is_newer("1", "1.0.0")


@pytest.mark.parametrize("version", ["1", "1.2.3", "1:1.2-3~rc1+b2", "0.1.0+1", "2.0~", "1" * 64])
def test_a_version_is_one(version: str) -> None:
    assert is_version(version)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "v1", "1 ", "1\n", "1-", "1+", "1/2", "1;reboot", "$(x)", "--force", "1=2", "1" * 65, 1, None],
)
def test_anything_else_is_none(text: object) -> None:
    assert not is_version(text)
