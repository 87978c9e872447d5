"""What a broker's or the network's refusal means, in this program's errors."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from edge_agent.errors import LinkError, LinkRefusedError
from edge_agent.mqtt.config import MqttConfig

__all__ = ["TAKEN_OVER", "connack_error", "disconnect_error", "network_error"]

TAKEN_OVER: Final = 0x8E
_UNSUPPORTED_VERSION: Final = 0x84
_PACKET_TOO_LARGE: Final = 0x95
_CREDENTIALS: Final = frozenset({0x86, 0x87, 0x8C})
_ADVICE: Final[Mapping[int, str]] = {
    0x85: "it does not accept the client id '{client_id}' (mqtt.client_id)",
    0x86: "user name or password is wrong: correct mqtt.username and mqtt.password",
    0x87: "this user may not connect: correct mqtt.username and mqtt.password, or the broker's access list",
    0x88: "it is not available now",
    0x89: "it is busy",
    0x8A: "this client is banned there",
    0x8C: "it wants another way to authenticate than user name and password",
    0x97: "its quota is exceeded",
    0x9C: "it wants another server to be used: correct mqtt.host",
    0x9D: "it has moved: correct mqtt.host",
    0x9F: "too many connections in too short a time",
}


def connack_error(config: MqttConfig, *, client_id: str, value: int, name: str) -> LinkError:
    """Return the error for a CONNACK with the reason code `value`."""
    if value == _UNSUPPORTED_VERSION:
        return LinkRefusedError(
            f"the broker {config.address} does not speak this version of MQTT; set mqtt.protocol to auto",
            code="protocol_version",
        )
    advice = _ADVICE.get(value, "").format(client_id=client_id)
    return LinkRefusedError(
        f"the broker {config.address} refused the connection: "
        f"{advice or name} (reason 0x{value:02x}, {name})",
        code="broker_refused_credentials" if value in _CREDENTIALS else "broker_refused",
        value=value,
    )


def disconnect_error(config: MqttConfig, *, client_id: str, value: int, name: str) -> LinkError:
    """Return the error for a DISCONNECT that the broker sent."""
    if value == TAKEN_OVER:
        return LinkError(
            f"another client with the client id '{client_id}' connected to {config.address}: "
            "two nodes have the same identity; give each its own node.id",
            code="duplicate_client_id",
        )
    return LinkError(
        f"the broker {config.address} ended the connection: {name} (reason 0x{value:02x})",
        code="message_too_large" if value == _PACKET_TOO_LARGE else "broker_disconnected",
        value=value,
    )


def network_error(config: MqttConfig, error: Exception, *, looked_up: bool = True) -> LinkError:
    """Return the error for what opening the connection raised; `looked_up` is whether the name was found."""
    if isinstance(error, LinkError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return LinkError(
            f"the certificate of the broker {config.address} is not trusted: {error.verify_message}; "
            "check mqtt.host, mqtt.tls.ca and the clock",
            code="tls_failed",
        )
    if isinstance(error, ssl.SSLError):
        return LinkError(
            f"TLS with the broker {config.address} failed: {error.reason or error}; does the port speak TLS?",
            code="tls_failed",
        )
    if isinstance(error, ConnectionResetError) and config.tls is not None:
        return LinkError(
            f"the broker {config.address} closed during the TLS handshake; does the port speak TLS?",
            code="tls_failed",
        )
    if isinstance(error, socket.gaierror):
        return LinkError(
            f"the name '{config.host}' cannot be resolved: {error.strerror}; check mqtt.host and the DNS",
            code="dns",
            field="mqtt.host",
            value=config.host,
        )
    if isinstance(error, TimeoutError) and not looked_up:
        return LinkError(
            f"the name '{config.host}' cannot be resolved: the name server did not answer in time; "
            "check the network and the DNS",
            code="dns",
            field="mqtt.host",
            value=config.host,
        )
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return LinkError(f"no connection to the broker {config.address} can be opened: {error.strerror}")
    what = "did not answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return LinkError(f"the broker {config.address} cannot be reached: {what}; is it running there?")
