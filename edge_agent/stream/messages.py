"""What the agent and the publisher child say to each other.

    agent      -> publisher   configure   PublisherConfig, once and first
                              stop        end the session properly and exit
    publisher  -> agent       beat        PublisherBeat, every second and at each change of state

Plain dataclasses: the publisher has no room for more.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from edge_agent.errors import ProcessError

__all__ = [
    "BEAT",
    "CONFIGURE",
    "STOP",
    "Phase",
    "PublisherBeat",
    "PublisherConfig",
    "PublisherState",
    "StreamCode",
    "TlsTrust",
]

CONFIGURE: Final = "configure"
STOP: Final = "stop"
BEAT: Final = "beat"

PublisherState = Literal["waiting", "connecting", "publishing", "failed", "stopped"]
Phase = Literal["idle", "handshake", "write"]
StreamCode = Literal[
    "stream_refused_credentials",
    "stream_not_found",
    "stream_rejected",
    "stream_unreachable",
    "stream_timeout",
    "stream_tls_failed",
    "stream_unsupported",
]

_MAX_CONNECT_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class TlsTrust:
    """Whom an encrypted connection trusts: the authorities in the file `ca`, the system's for None."""

    ca: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class PublisherConfig:
    """Where packets come from and where they go to. `url` may hold a password."""

    url: str
    packet_socket: str
    transport: Literal["tcp", "udp"] = "tcp"
    connect_timeout_s: float = 3.0
    tls_ca: str | None = None
    tls_verify: bool = True

    @property
    def trust(self) -> TlsTrust:
        """Whom an encrypted connection trusts."""
        return TlsTrust(ca=self.tls_ca, verify=self.tls_verify)

    def body(self) -> dict[str, Any]:
        """Return the fields of a `configure` message."""
        return asdict(self)

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> PublisherConfig:
        """Read a `configure` message. Raises ProcessError, without any value, where it is none."""
        try:
            config = cls(**body)
        except TypeError:
            # The cause is not chained: its text may hold what must not be shown.
            raise ProcessError("a 'configure' message with missing or unknown fields") from None
        if not (isinstance(config.url, str) and isinstance(config.packet_socket, str)):
            raise ProcessError("a 'configure' message whose url or packet_socket is no text")
        if config.transport not in ("tcp", "udp"):
            raise ProcessError(f"transport is '{config.transport}', allowed are tcp and udp")
        timeout_s = config.connect_timeout_s
        if not (isinstance(timeout_s, int | float) and 0 < timeout_s <= _MAX_CONNECT_TIMEOUT_S):
            raise ProcessError(
                f"connect_timeout_s is {timeout_s!r}, allowed is above 0 up to {_MAX_CONNECT_TIMEOUT_S:g}"
            )
        if not isinstance(config.tls_ca, str | None) or not isinstance(config.tls_verify, bool):
            raise ProcessError("a 'configure' message whose tls_ca or tls_verify is of the wrong type")
        return config


@dataclass(frozen=True, slots=True)
class PublisherBeat:
    """How the publisher is at this moment; ages are in seconds up to the beat's making.

    `phase` is the blocking call that the publishing thread is inside and `phase_age_s` for how long: a
    write has no limit of its own, so the agent ends a publisher that is inside one for too long. Where the
    camera writes by itself, `write` means that the server has yet to take something, since then.
    `sessions` counts handshakes that succeeded, `attempts` those tried since the last success. `fps` and
    `bitrate_bps` are measured over the last three seconds of what was written out, `keyframe_interval_s` is
    between the last two keyframes by the camera's clock.
    """

    state: PublisherState
    reason: str | None
    code: StreamCode | None
    since_age_s: float
    phase: Phase
    phase_age_s: float
    packets: int
    bytes: int
    keyframes: int
    sessions: int
    attempts: int
    last_packet_age_s: float | None
    fps: float
    bitrate_bps: int
    keyframe_interval_s: float | None = None

    def body(self) -> dict[str, Any]:
        """Return the fields of a `beat` message."""
        # Not asdict(), which looks for dataclasses inside: this is told every second.
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> PublisherBeat:
        """Read a `beat` message. Raises ProcessError where it is none."""
        try:
            beat = cls(**body)
        except TypeError as error:
            raise ProcessError("a beat of the publisher with missing or unknown fields") from error
        if beat.state not in get_args(PublisherState) or beat.phase not in get_args(Phase):
            raise ProcessError(f"a beat of the publisher with state {beat.state!r}, phase {beat.phase!r}")
        if not all(math.isfinite(age) for age in (beat.since_age_s, beat.phase_age_s)):
            raise ProcessError("a beat of the publisher with an age that is no number")
        return beat
