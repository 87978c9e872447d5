"""The soak's judgement: it must be able to find something wrong."""

from __future__ import annotations

import pytest

from tests.soak.__main__ import gaps, unexplained
from tests.soak.faults import Done
from tests.soak.samples import Sample, course, flatness

MIB = 1024 * 1024


def samples(growth: float, descriptors: int = 10) -> list[Sample]:
    return [
        Sample(
            at_s=5.0 * i,
            pid=1,
            memory_bytes=int(40 * MIB * (1 + growth * i / 99)),
            descriptors=descriptors + i // 50,
        )
        for i in range(100)
    ]


def test_a_leak_is_seen() -> None:
    found = flatness(samples(0.1), since_s=0)
    assert found is not None
    assert found.growth == pytest.approx(0.1, abs=0.01)
    assert found.descriptors_growth == pytest.approx(1.5, abs=0.2)


def test_what_is_flat_is_flat_and_the_warm_up_is_left_out() -> None:
    jump = [Sample(0.0, 1, MIB, 10)] * 5 + samples(0.0)[20:50]
    found = flatness(jump, since_s=50)
    assert found is not None
    assert found.growth == pytest.approx(0, abs=0.001)
    assert found.descriptors_growth == 0
    assert flatness(jump, since_s=1000) is None


def test_a_gap_needs_a_fault() -> None:
    times = [i / 20 for i in range(200)] + [30 + i / 20 for i in range(200)] + [90.0]
    found = gaps(times, 90.5)
    assert [(round(begin), round(end)) for begin, end in found] == [(10, 30), (40, 90)]
    explaining = Done("camera killed", 9.9, 9.9)
    assert unexplained(found, [explaining]) == found[1:]
    assert unexplained(found, [explaining, Done("server stopped", 30.0, 38.0)]) == []
    assert unexplained(found, []) == found


def test_no_frames_at_the_end_are_a_gap() -> None:
    assert gaps([1.0, 1.05], 9.0) == [(1.05, 9.0)]


def test_the_course_tells_what_levels_off_from_what_goes_on() -> None:
    level = [Sample(5.0 * i, 1, min(i, 30) * MIB, 10) for i in range(60)]
    assert [round(part / MIB) for part in course(level, parts=3)] == [10, 30, 30]
    assert course([]) == []
