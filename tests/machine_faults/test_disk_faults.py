"""The quick form of what befalls the disk; `make machine-faults` is the slow one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine_faults.catalogue import Fault, quick_ones

pytestmark = pytest.mark.timeout(150)


@pytest.mark.parametrize("fault", quick_ones("disks"), ids=lambda fault: fault.name)
def test_commands_go_on_and_nothing_has_to_be_set_again(fault: Fault, tmp_path: Path) -> None:
    if (why := fault.impossible()) is not None:
        pytest.skip(why)
    fault.quick(tmp_path)
