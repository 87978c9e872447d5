"""Where a stream of RTP is, so that another process can carry it on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge_agent.errors import ProcessError

__all__ = ["RtpState"]


@dataclass(frozen=True, slots=True)
class RtpState:
    """What the next packet depends on; every number is a count, a tick or microseconds but for the `_s`."""

    channel: int
    ssrc: int
    sequence: int
    stamp_offset: int
    packets: int
    octets: int
    last_pts_us: int | None
    last_now_s: float
    offset_us: int
    last_ticks: int
    next_report_s: float
    begin_s: float | None

    def body(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)

    @classmethod
    def from_body(cls, body: Any) -> RtpState:
        """Read what `body` returned. Raises ProcessError where it is none."""
        if not isinstance(body, dict):
            raise ProcessError("the state of a stream is no object")
        try:
            state = cls(**body)
        except TypeError as error:
            raise ProcessError("the state of a stream with missing or unknown fields") from error
        optional = {"last_pts_us", "begin_s"}
        for name, value in state.body().items():
            kind = int | float if name.endswith("_s") else int
            if not (isinstance(value, kind) or (value is None and name in optional)):
                raise ProcessError(f"the state of a stream whose {name} is {value!r}")
        return state
