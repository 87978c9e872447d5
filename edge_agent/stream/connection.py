"""Connections to the stream's target: found, opened, encrypted, each step bounded and its failure named."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_agent.stream.messages import TlsTrust
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.url import StreamUrl

if TYPE_CHECKING:
    import ssl

__all__ = ["connect", "lost", "trusted_authorities"]

# Where the system's authorities are, with the distributions that Python's own defaults may not know.
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
# What the network does not acknowledge for so long is a connection that is gone.
_UNACKNOWLEDGED_MS: Final = 5000
# Live pictures are not to grow old in the kernel: beyond this it takes no more.
_UNSENT_BYTES: Final = 256 * 1024


def connect(target: StreamUrl, *, trust: TlsTrust | None, timeout_s: float) -> socket.socket:
    """Connect to the target's host, with TLS where `trust` says how. Raises StreamTargetError.

    Each address and the TLS handshake may take `timeout_s`; the socket is left with that timeout.
    """
    try:
        connection = socket.create_connection((target.host, target.port), timeout=timeout_s)
    except (OSError, UnicodeError) as error:
        raise _not_connected(target, error, timeout_s) from error
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    if trust is None:
        return connection
    try:
        return _encrypted(connection, target, trust)
    except BaseException:
        connection.close()
        raise


def trusted_authorities(trust: TlsTrust) -> str | None:
    """Return the file of the authorities to trust: the named one, the system's, or None where it has none."""
    if trust.ca is not None:
        return trust.ca
    return next((name for name in _BUNDLES if Path(name).is_file()), None)


def lost(target: StreamUrl, error: OSError) -> StreamTargetError:
    """Return what to raise where a connection broke, or took nothing in time."""
    if isinstance(error, TimeoutError | BlockingIOError):
        return StreamTargetError(f"{target}: the server has stopped taking packets", code="stream_timeout")
    return StreamTargetError(
        f"{target}: the connection was lost ({error.strerror or type(error).__name__})",
        code="stream_unreachable",
    )


def _not_connected(target: StreamUrl, error: Exception, timeout_s: float) -> StreamTargetError:
    if isinstance(error, socket.gaierror | UnicodeError):
        reason = getattr(error, "strerror", None) or "not a host name"
        return StreamTargetError(
            f"{target}: the host '{target.host}' was not found: {reason}", code="stream_unreachable"
        )
    if isinstance(error, TimeoutError):
        return StreamTargetError(
            f"{target}: the server did not answer within {timeout_s:g} s", code="stream_timeout"
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return StreamTargetError(
        f"{target}: the server could not be reached ({reason})", code="stream_unreachable"
    )


def _encrypted(connection: socket.socket, target: StreamUrl, trust: TlsTrust) -> ssl.SSLSocket:
    import ssl  # noqa: PLC0415 - a megabyte that only the encrypted schemes need

    from edge_agent.tls import client_context  # noqa: PLC0415 - see above

    try:
        context = client_context(trusted_authorities(trust))
    except OSError as error:
        raise StreamTargetError(
            f"{target}: the file '{trust.ca}' of stream.tls.ca cannot be used ({error.strerror or error})",
            code="stream_tls_failed",
        ) from error
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(connection, server_hostname=target.host)
    except ssl.SSLCertVerificationError as error:
        raise StreamTargetError(
            f"{target}: the server's certificate is not trusted: {error.verify_message}; name its authority "
            "in stream.tls.ca",
            code="stream_tls_failed",
        ) from error
    except TimeoutError as error:
        raise StreamTargetError(
            f"{target}: the server did not answer in TLS in time", code="stream_timeout"
        ) from error
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
        raise StreamTargetError(
            f"{target}: no encrypted connection could be had ({reason})", code="stream_tls_failed"
        ) from error
