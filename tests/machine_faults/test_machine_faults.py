"""The quick form of what befalls the machine; `make machine-faults` is the slow one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine_faults.catalogue import FAULTS, Fault, quick_ones

pytestmark = pytest.mark.timeout(150)


@pytest.mark.parametrize("fault", quick_ones("clock", "limits", "power"), ids=lambda fault: fault.name)
def test_the_agent_says_what_is_wrong_and_is_well_again(fault: Fault, tmp_path: Path) -> None:
    if (why := fault.impossible()) is not None:
        pytest.skip(why)
    fault.quick(tmp_path)


def test_every_quick_form_has_its_file() -> None:
    some = quick_ones("brokers", "identity", "disks", "clock", "limits", "power")
    assert some == [fault for fault in FAULTS if fault.quick_s is not None]
