from __future__ import annotations

from typing import get_args

from edge_agent.stream.packet_queue import Why
from edge_agent.stream.status import LeftOut


def test_every_reason_to_leave_something_out_is_told() -> None:
    assert set(LeftOut.model_fields) == {*get_args(Why), "no_consumer"}
