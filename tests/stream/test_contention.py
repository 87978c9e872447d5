"""Two publishers of one path: noticed soon, told apart from a server that restarts, and not fought."""

from __future__ import annotations

from random import Random

import pytest

from edge_agent.stream.contention import Contention


class Story:
    """A contention and its time."""

    def __init__(self, *, can_ask: bool) -> None:
        self.contention = Contention(random=Random(1))
        self.can_ask = can_ask
        self.now_s = 0.0

    def session(self, lasts_s: float, *, at_once: bool = True, hung_up: bool = True) -> None:
        self.contention.session_began(self.now_s, at_once=at_once)
        self.now_s += lasts_s
        self.contention.session_ended(self.now_s, hung_up=hung_up, can_ask=self.can_ask)

    def looks(self, seconds: int, *, held: bool | None) -> str:
        """Look every second, as long as the state does not change."""
        before = self.contention.state
        for _ in range(seconds):
            self.now_s += 1
            self.contention.looked(self.now_s, held=held)
            if self.contention.state != before:
                break
        return self.contention.state


@pytest.fixture(params=[True, False], ids=["with an API", "without"])
def story(request: pytest.FixtureRequest) -> Story:
    return Story(can_ask=bool(request.param))


def test_sessions_that_last_are_no_fight(story: Story) -> None:
    for _ in range(20):
        story.session(11.0)
    assert story.contention.state == "clear"


def test_another_that_comes_back_slowly_is_a_fight_too(story: Story) -> None:
    for _ in range(3):
        assert story.contention.state == "clear"
        story.session(6.0)
    assert story.contention.stepped_back


def test_a_server_that_is_away_between_the_sessions_is_no_fight(story: Story) -> None:
    for _ in range(20):
        story.session(1.0, at_once=False)
    assert story.contention.state == "clear"
    # Such a session can be the first one of a fight.
    story.session(1.0)
    assert story.contention.state == "clear"
    story.session(1.0)
    assert story.contention.stepped_back


def test_a_session_that_ends_otherwise_begins_the_count_anew(story: Story) -> None:
    for _ in range(5):
        story.session(2.0)
        story.session(2.0)
        # A write that timed out, a camera that was set anew: nobody took the path over.
        story.session(2.0, hung_up=False)
    assert story.contention.state == "clear"


def test_a_long_session_in_between_begins_the_count_anew(story: Story) -> None:
    for _ in range(5):
        story.session(2.0)
        story.session(2.0)
        story.session(60.0)
    assert story.contention.state == "clear"


def test_an_end_without_a_beginning_counts_nothing(story: Story) -> None:
    for _ in range(10):
        story.contention.session_ended(story.now_s, hung_up=True, can_ask=story.can_ask)
    assert story.contention.state == "clear"


def test_without_an_api_it_steps_back_and_comes_back_after_a_while() -> None:
    story = Story(can_ask=False)
    for _ in range(3):
        assert not story.contention.stepped_back
        story.session(0.5)
    assert story.contention.state == "contested"
    begin_s = story.now_s
    assert story.looks(100, held=None) == "trying"
    assert 30 <= story.now_s - begin_s <= 61
    story.session(1.0)
    assert story.contention.state == "contested", "once is enough now"


def test_with_an_api_it_looks_who_is_there() -> None:
    story = Story(can_ask=True)
    for _ in range(3):
        story.session(0.5)
    assert story.contention.state == "checking"
    assert story.contention.stepped_back
    assert story.looks(1, held=True) == "contested"


def test_a_server_that_ends_sessions_by_itself_is_no_fight() -> None:
    story = Story(can_ask=True)
    for _ in range(3):
        story.session(0.5)
    begin_s = story.now_s
    assert story.looks(60, held=False) == "clear"
    assert 3 <= story.now_s - begin_s <= 9
    assert not story.contention.stepped_back


def test_an_api_that_goes_away_while_it_is_asked() -> None:
    story = Story(can_ask=True)
    for _ in range(3):
        story.session(0.5)
    assert story.looks(60, held=None) == "contested"


def test_with_an_api_it_stays_away_as_long_as_the_other_is_there() -> None:
    story = Story(can_ask=True)
    for _ in range(3):
        story.session(0.5)
    assert story.looks(1, held=True) == "contested"
    assert story.looks(100_000, held=True) == "contested"
    assert story.looks(1, held=False) == "trying"


def test_a_return_counts_when_it_lasted() -> None:
    story = Story(can_ask=False)
    for _ in range(3):
        story.session(0.5)
    assert story.looks(100, held=None) == "trying"
    story.contention.session_began(story.now_s, at_once=True)
    assert story.looks(14, held=None) == "trying"
    assert story.looks(2, held=None) == "clear"


def test_two_of_them_do_not_wait_alike() -> None:
    waits = set()
    for seed in range(20):
        story = Story(can_ask=False)
        story.contention = Contention(random=Random(seed))
        for _ in range(3):
            story.session(0.5)
        begin_s = story.now_s
        story.looks(100, held=None)
        waits.add(story.now_s - begin_s)
    assert len(waits) > 10


def test_a_command_begins_anew(story: Story) -> None:
    for _ in range(3):
        story.session(0.5)
    story.contention.reset()
    assert story.contention.state == "clear"
    assert not story.contention.stepped_back
    story.session(0.5)
    assert story.contention.state == "clear"
