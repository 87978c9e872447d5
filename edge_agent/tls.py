"""TLS as the agent speaks it as a client, to whatever server."""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["client_context"]


def client_context(ca: Path | str | None = None) -> ssl.SSLContext:
    """Return a context that verifies chain and name, TLS 1.2 or later, by `ca` or the system's authorities.

    Reads the disk. Raises OSError or ValueError where `ca` cannot be used.
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Since 3.13 Python also wants extensions of RFC 5280 that authorities made by hand lack, such as those of
    # mosquitto's manual. Other clients of a broker do not, and the next Debian must not cut a fleet off.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
