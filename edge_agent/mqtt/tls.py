"""The TLS context, made anew for each connection, so that rotated certificates are simply used."""

from __future__ import annotations

import ssl

from edge_agent.errors import LinkError
from edge_agent.mqtt.config import TlsConfig
from edge_agent.tls import client_context, show_certificate

__all__ = ["tls_context"]


class _Socket(ssl.SSLSocket):
    """Closes itself where the handshake fails: whoever began it has no reference yet."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(config: TlsConfig) -> ssl.SSLContext:
    """Read the files and return a context that verifies chain and name, TLS 1.2 or later.

    Reads the disk: not for the event loop. Raises LinkError `tls_failed`.
    """
    try:
        context = client_context(config.ca)
    except (OSError, ValueError) as error:
        raise LinkError(
            f"the CA file '{config.ca}' (mqtt.tls.ca) cannot be used: {error}",
            code="tls_failed",
            field="mqtt.tls.ca",
            value=str(config.ca),
        ) from error
    context.sslsocket_class = _Socket
    if config.cert is not None:
        try:
            show_certificate(context, config.cert, config.key)
        except (OSError, ValueError) as error:
            raise LinkError(
                f"the client certificate '{config.cert}' with the key '{config.key or config.cert}' "
                f"(mqtt.tls.cert, mqtt.tls.key) cannot be used: {error}",
                code="tls_failed",
                field="mqtt.tls.cert",
                value=str(config.cert),
            ) from error
    return context
