"""The TLS context of an upload, made anew when a file was replaced."""

from __future__ import annotations

import ssl
from pathlib import Path

from edge_agent.errors import UploadError
from edge_agent.snapshots.upload.config import UploadConfig
from edge_agent.tls import client_context, show_certificate

__all__ = ["stamps", "tls_context"]


def tls_context(config: UploadConfig, *, with_certificate: bool) -> ssl.SSLContext:
    """Return a context, TLS 1.2 or later. Reads the disk. Raises UploadError `tls_failed`."""
    try:
        context = client_context(config.ca)
    except (OSError, ValueError) as error:
        raise _unusable(f"the CA file '{config.ca}' (upload.ca)", error) from error
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if with_certificate and config.cert is not None:
        try:
            show_certificate(context, config.cert, config.key)
        except (OSError, ValueError) as error:
            files = f"'{config.cert}' with the key '{config.key or config.cert}'"
            raise _unusable(f"the client certificate {files} (upload.cert, upload.key)", error) from error
    return context


def stamps(config: UploadConfig) -> tuple[int, ...]:
    """Return what changes when one of the files is replaced."""
    return tuple(_stamp(path) for path in (config.ca, config.cert, config.key) if path is not None)


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _unusable(what: str, error: Exception) -> UploadError:
    return UploadError(f"{what} cannot be used: {error}", code="tls_failed")
