"""What libav's errors mean for a stream's target: the one place that knows them."""

from __future__ import annotations

from typing import Any

from edge_agent.stream.messages import StreamCode
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.support import unsupported
from edge_agent.stream.url import StreamUrl

__all__ = ["classify"]


def classify(
    error: Any, *, target: StreamUrl, took_s: float | None, connect_timeout_s: float
) -> StreamTargetError:
    """Return what to raise for an error of libav; its own message names the URL and is left out.

    `took_s` is how long the handshake took, None where the session was up.
    """
    code, what = _meaning(error, target.scheme, took_s, connect_timeout_s)
    return StreamTargetError(f"{target}: {what}", code=code)


def _meaning(
    error: Any, scheme: str, took_s: float | None, connect_timeout_s: float
) -> tuple[StreamCode, str]:
    import av.error  # noqa: PLC0415 - see LibavMux.connect()

    says = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, av.error.ProtocolNotFoundError | av.error.MuxerNotFoundError):
        return "stream_unsupported", unsupported(scheme) or f"PyAV cannot publish by '{scheme}' ({says})"
    # RTMP's server says no by an error that libav tells as a missing permission.
    denied = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.PermissionError)
    if isinstance(error, denied):
        return "stream_refused_credentials", f"the server refused the user or the password ({says})"
    if isinstance(error, av.error.HTTPNotFoundError):
        return "stream_not_found", f"the server does not know this path ({says})"
    if isinstance(error, av.error.HTTPError | av.error.HTTPClientError):
        return "stream_rejected", f"the server rejected the stream ({says})"
    if isinstance(error, TimeoutError):
        return "stream_timeout", "the server did not answer in time"
    if took_s is None:
        return "stream_unreachable", f"the connection was lost ({says})"
    if isinstance(error, ConnectionError):
        return "stream_unreachable", f"the server could not be reached ({says})"
    if scheme == "srt":
        # Some servers say no only after a while, and libav says the same of them as of silent ones.
        if took_s >= connect_timeout_s * 0.9:
            return "stream_timeout", "the server did not answer, or refused the stream id or the passphrase"
        return "stream_rejected", f"the server refused the stream id or the passphrase ({says})"
    if took_s >= connect_timeout_s * 0.9:
        return "stream_timeout", f"the server did not answer within {connect_timeout_s:g} s"
    return "stream_rejected", f"the server ended the handshake ({says})"
