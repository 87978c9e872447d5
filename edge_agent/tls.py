"""TLS as the agent speaks it as a client, to whatever server."""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["client_context", "show_certificate"]


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


def show_certificate(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Have `context` show a certificate of one's own; None is for a key in the same file.

    Reads the disk. Raises OSError or ValueError where they cannot be used.
    """
    # An encrypted key would make OpenSSL ask on the terminal and wait for ever.
    context.load_cert_chain(cert, key, password=_no_password)


def _no_password() -> str:
    raise ValueError(
        "the private key is encrypted; it must be stored without a passphrase, readable by the agent only"
    )
