from __future__ import annotations

from edge_agent.mqtt.protocol import ProtocolChoice


def test_5_comes_first_and_stays() -> None:
    choice = ProtocolChoice("auto")
    assert choice.version == "5"
    assert choice.probing
    choice.worked()
    choice.ended()
    assert (choice.version, choice.probing) == ("5", False)
    assert not choice.silent()


def test_a_refused_version_is_not_tried_again() -> None:
    choice = ProtocolChoice("auto")
    assert choice.refused()
    choice.worked()
    choice.ended()
    assert choice.version == "3.1.1"
    assert not choice.closed()
    assert choice.version == "3.1.1"


def test_a_broker_that_was_replaced_is_asked_from_the_start() -> None:
    choice = ProtocolChoice("auto")
    choice.refused()
    assert not choice.refused()
    assert choice.version == "5"


def test_silence_falls_back_and_forth_until_one_worked() -> None:
    choice = ProtocolChoice("auto")
    tries = []
    for _ in range(4):
        tries.append(choice.version)
        choice.silent()
    assert tries == ["5", "3.1.1", "5", "3.1.1"]


def test_two_fallbacks_that_worked_make_sure() -> None:
    choice = ProtocolChoice("auto")
    for _ in range(2):
        assert choice.closed()
        choice.worked()
        version_at_work = choice.version
        choice.ended()
    assert version_at_work == choice.version == "3.1.1"


def test_closing_makes_doubt_of_a_5_that_worked_only_after_three_times() -> None:
    choice = ProtocolChoice("auto")
    choice.worked()
    assert [choice.closed() for _ in range(3)] == [False, False, True]


def test_a_configured_version_is_the_only_one() -> None:
    for version in ("5", "3.1.1"):
        choice = ProtocolChoice(version)
        assert not any([choice.refused(), choice.closed(), choice.silent(), choice.probing])
        choice.ended()
        assert choice.version == version
