"""What may be configured about the connection to the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

__all__ = ["BackoffConfig", "MqttConfig", "TlsConfig"]

_PORTS = {
    ("tcp", False): 1883,
    ("tcp", True): 8883,
    ("websockets", False): 80,
    ("websockets", True): 443,
}

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class TlsConfig(BaseModel):
    """TLS to the broker; the section's presence turns it on. The server's name is always verified."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca: Path | None = Field(
        default=None, description="PEM file of the authorities to trust; the system's without"
    )
    cert: Path | None = Field(default=None, description="PEM file of the client's certificate and its chain")
    key: Path | None = Field(default=None, description="PEM file of the client's private key")

    @model_validator(mode="after")
    def _key_needs_cert(self) -> Self:
        if self.key is not None and self.cert is None:
            raise ValueError("'key' is given without 'cert': give the client's certificate, too")
        return self


class BackoffConfig(BaseModel):
    """How long to wait between attempts. Every wait is drawn at random, so that a fleet does not march."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_s: Seconds = Field(default=0.5, description="the first ceiling; it doubles with every failure")
    max_s: Seconds = Field(
        default=30.0, description="the highest ceiling; a refusal waits once to twice this"
    )
    stable_s: Seconds = Field(
        default=10.0, description="a connection this old makes the next failure a first one"
    )
    flapping_min_s: Seconds = Field(
        default=30.0, description="the least wait while another client takes over"
    )
    flapping_max_s: Seconds = Field(
        default=120.0, description="the longest wait while another client takes over"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_s > self.max_s:
            raise ValueError(f"'min_s' is {self.min_s}, it must not be above 'max_s', which is {self.max_s}")
        if self.flapping_min_s > self.flapping_max_s:
            raise ValueError(
                f"'flapping_min_s' is {self.flapping_min_s}, "
                f"it must not be above 'flapping_max_s', which is {self.flapping_max_s}"
            )
        return self


class MqttConfig(BaseModel):
    """The broker and how to talk to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="localhost", min_length=1, max_length=255)
    port: int | None = Field(
        default=None, ge=1, le=65_535, description="1883, 8883 with TLS, WebSockets 80 or 443"
    )
    username: str | None = Field(default=None, min_length=1, max_length=65_535)
    password: SecretStr | None = None
    tls: TlsConfig | None = None
    allow_plain_text: bool = Field(
        default=False, description="do not warn of a connection beyond this machine without TLS"
    )
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    root: str = Field(default="edge/v1", description="what every topic begins with")
    transport: Literal["tcp", "websockets"] = "tcp"
    path: str = Field(default="/mqtt", pattern=r"^/[!-~]*$", max_length=1024, description="WebSockets only")
    keepalive_s: int = Field(default=30, ge=5, le=3600)
    client_id: str | None = Field(default=None, min_length=1, max_length=256)
    connect_timeout_s: Seconds = 10.0
    max_message_bytes: int = Field(default=1024 * 1024, ge=1024, le=256 * 1024 * 1024 - 1)
    max_image_bytes: int = Field(default=10 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024 - 1)
    backoff: BackoffConfig = BackoffConfig()

    @field_validator("root")
    @classmethod
    def _root_is_a_topic(cls, root: str) -> str:
        if not root or len(root.encode()) > 1024:
            raise ValueError("the root must have 1 to 1024 bytes")
        if any(sign in root for sign in "+#\0"):
            raise ValueError(f"the root '{root}' must not contain '+', '#' or NUL")
        if root.startswith(("/", "$")) or root.endswith("/") or "//" in root:
            raise ValueError(
                f"the root '{root}' must not begin with '/' or '$', end with '/' or contain '//'"
            )
        return root

    @model_validator(mode="after")
    def _password_needs_username(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("'password' is given without 'username'")
        return self

    @property
    def effective_port(self) -> int:
        """The port that is used: the configured one, or the usual one of transport and TLS."""
        return self.port or _PORTS[self.transport, self.tls is not None]

    @property
    def address(self) -> str:
        """Where the broker is, for people: never with credentials."""
        return f"{self.host}:{self.effective_port}"
