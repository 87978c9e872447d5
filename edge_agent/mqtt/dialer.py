"""One paho client, made and connected for one session. Its blocking part runs in a thread of its own."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Sequence
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.message import Outgoing
from edge_agent.mqtt.protocol import Version
from edge_agent.mqtt.tls import tls_context
from edge_agent.mqtt.validity import Validity, shown_by

__all__ = ["Dialer"]

# What a broker delivers at most: beyond what any command may have, so that a large one is answered with a
# refusal and not dropped in silence, and little enough for the smallest machine.
_MAX_INCOMING_BYTES: Final = 4 * 1024 * 1024


class _Client(paho.Client):
    """Remembers its socket from the start, which paho forgets where a handshake fails, and why it ended."""

    opened: socket.socket | None = None
    looked_up = False
    given_up = False
    shown: Validity | None = None
    told_reason = 0

    def _create_socket_connection(self) -> socket.socket:
        # What paho does in one call: only so is known which half of it takes so long.
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.looked_up = True
        if not self.given_up:
            self.opened = _first_that_answers(found, timeout_s=self.connect_timeout)
        # A late CONNECT would take the identity from the connection that lives meanwhile. Who gives up says
        # so before looking for a socket: one of both sees the other.
        if self.given_up or self.opened is None:
            raise TimeoutError("it was given up meanwhile")
        # An acknowledgement and a reply are two small writes: Nagle would hold the second one back.
        self.opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.opened

    def _handle_disconnect(self) -> None:
        # paho 2.1 decodes the reason only where properties follow it.
        self.told_reason = int.from_bytes(self._in_packet["packet"][:1])
        super()._handle_disconnect()

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> Any:
        self.opened = super()._ssl_wrap_socket(tcp_sock)
        self.shown = shown_by(self.opened)
        return self.opened


class _LastError(logging.Handler):
    """Keeps the last error that paho logged: it tells causes nowhere else."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


def _first_that_answers(found: Sequence[tuple[Any, ...]], *, timeout_s: float) -> socket.socket:
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in found:
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            # A share for each: one that swallows all packets must not use up the time of the next.
            connection.settimeout(timeout_s / len(found))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.settimeout(timeout_s)
            return connection
    raise failure


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class Dialer:
    """Makes `client` and connects it; knows how to give up while another thread is in the middle of it.

    TCP, TLS and WebSockets are through when `dial` returns, and CONNECT is sent; CONNACK is still to come.
    """

    def __init__(
        self, *, config: MqttConfig, client_id: str, version: Version, will: Outgoing | None
    ) -> None:
        self._config = config
        self._five = version == "5"
        self._last_error = _LastError()
        self._lock = threading.Lock()
        self._dialing = False
        self._abandoned = False
        self.client = self._new_client(client_id, will)

    @property
    def last_error(self) -> str:
        """What paho last logged as an error, empty where there was none."""
        return self._last_error.text

    @property
    def looked_up(self) -> bool:
        """Whether the broker's name was found, which no address needs; before, no connection was tried."""
        return self.client.looked_up or _is_address(self._config.host)

    @property
    def broker_certificate(self) -> Validity | None:
        """How long the certificate is good that the broker has shown, None without TLS."""
        return self.client.shown

    def dial(self) -> None:
        """Connect; blocks. Raises LinkError, OSError or ValueError, the socket closed."""
        with self._lock:
            if self._abandoned:
                return
            self._dialing = True
        failed = True
        try:
            if self._config.tls is not None:
                self.client.tls_set_context(tls_context(self._config.tls))
            self.client.connect(
                self._config.host,
                self._config.effective_port,
                self._config.keepalive_s,
                clean_start=True if self._five else paho.MQTT_CLEAN_START_FIRST_ONLY,
                properties=self._connect_properties(),
            )
            failed = False
        finally:
            with self._lock:
                self._dialing = False
                if failed or self._abandoned:
                    self._close()

    def abandon(self) -> None:
        """Close the socket without a word, or where `dial` is still at it, make it do so. Never blocks."""
        with self._lock:
            self._abandoned = self.client.given_up = True
            if not self._dialing:
                self._close()
            elif self.client.opened is not None:
                with contextlib.suppress(OSError):
                    self.client.opened.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        if self.client.opened is not None:
            self.client.opened.close()

    def _new_client(self, client_id: str, will: Outgoing | None) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311,
            transport=self._config.transport,
            reconnect_on_failure=False,
        )
        client.connect_timeout = self._config.connect_timeout_s
        client.max_inflight_messages = 0  # the window is the outbox's; nothing may queue in paho
        if self._config.username is not None:
            password = self._config.password
            client.username_pw_set(
                self._config.username, None if password is None else password.get_secret_value()
            )
        if self._config.transport == "websockets":
            client.ws_set_options(path=self._config.path)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        paho_log = logging.Logger("paho", level=logging.ERROR)  # noqa: LOG001  heard by its one handler only
        paho_log.addHandler(self._last_error)
        client.enable_logger(paho_log)
        return client

    def _connect_properties(self) -> Properties | None:
        if not self._five:
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = _MAX_INCOMING_BYTES
        return properties
