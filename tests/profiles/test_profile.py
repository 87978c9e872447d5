from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge_agent.errors import RefusedError
from edge_agent.profiles.profile import Definition, Profile, Profiles, paths_of


def profiles(**definitions: dict[str, Any]) -> Profiles:
    return Profiles(
        Profile(name=name, definition=Definition.model_validate(fields))
        for name, fields in definitions.items()
    )


def test_a_profile_stands_on_what_it_extends() -> None:
    known = profiles(
        base={"settings": {"image": {"contrast": 1.0, "sharpness": 2.0}, "hdr": "off"}},
        night={"extends": "base", "settings": {"image": {"contrast": 1.5}}},
        storm={"extends": "night", "settings": {"exposure": {"ev": 1.0}}},
    )
    assert known.wanted("storm").patch == {
        "image": {"contrast": 1.5, "sharpness": 2.0},
        "hdr": "off",
        "exposure": {"ev": 1.0},
    }
    assert known.names == ["base", "defaults", "night", "storm"]
    assert known.extending("base") == ["night"]


def test_another_mode_drops_the_value_of_the_one_below() -> None:
    known = profiles(
        fixed={"settings": {"exposure": {"time_us": 5000}}},
        free={"extends": "fixed", "settings": {"exposure": {"mode": "auto"}}},
    )
    assert known.wanted("fixed").patch == {"exposure": {"mode": "manual", "time_us": 5000}}
    assert known.wanted("free").patch == {"exposure": {"mode": "auto", "time_us": None, "gain": None}}


def test_what_a_partial_one_says_may_be_left_out_also_by_who_stands_on_it() -> None:
    known = profiles(
        base={"partial": True, "settings": {"image": {"contrast": 1.0, "sharpness": 2.0}}},
        strict={"extends": "base", "settings": {"image": {"contrast": 1.5}}},
        lax={"extends": "strict", "partial": True},
    )
    assert known.wanted("strict").optional == {"image.sharpness"}
    assert known.wanted("lax").optional == {"image.sharpness", "image.contrast"}


def test_the_stream_is_what_the_last_one_says() -> None:
    known = profiles(
        base={"stream": {"enabled": True}},
        quiet={"extends": "base", "stream": {"enabled": False}},
        same={"extends": "quiet"},
    )
    assert [known.wanted(name).stream for name in ("base", "quiet", "same")] == [True, False, False]
    assert known.wanted("defaults").stream is None


def test_settings_go_back_to_their_defaults_by_path_group_or_all() -> None:
    known = profiles(
        base={"settings": {"image": {"contrast": 2.0}, "video": {"fps": 5}}},
        back={"extends": "base", "reset": ["image"], "settings": {"image": {"sharpness": 2.0}}},
        all={"extends": "defaults"},
    )
    wanted = known.wanted("back")
    assert wanted.patch == {"video": {"fps": 5.0}, "image": {"sharpness": 2.0}}
    assert wanted.reset == set(paths_of("image"))
    assert paths_of("video.fps") == ["video.fps"]
    assert known.wanted("all").reset == set(paths_of("defaults"))
    with pytest.raises(ValidationError, match=r"there is no setting 'video.fpss'; did you mean 'video.fps'"):
        Definition(reset=("video.fpss",))


def test_a_loop_is_refused_and_named() -> None:
    known = profiles(a={"extends": "b"}, b={"extends": "a"})
    with pytest.raises(RefusedError, match="a -> b -> a") as refused:
        known.wanted("a")
    assert (refused.value.code, refused.value.field) == ("profile_loop", "extends")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    known = profiles(night={}, day={}, dusk={"extends": "nigth"})
    with pytest.raises(RefusedError) as refused:
        known.wanted("nigth")
    assert refused.value.message == "there is no profile 'nigth'; did you mean 'night'?"
    assert refused.value.code == "unknown_profile"
    with pytest.raises(RefusedError) as refused:
        known.wanted("dusk")
    assert refused.value.message == "profile 'dusk': there is no profile 'nigth'; did you mean 'night'?"


def test_a_definition_is_written_without_what_it_does_not_say() -> None:
    fields = {"extends": "day", "settings": {"exposure": {"gain": None}}, "stream": {"enabled": False}}
    assert Definition.model_validate(fields).document() == fields
    assert Definition().document() == {}
