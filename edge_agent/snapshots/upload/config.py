"""The section `upload`: where pictures are sent, as whom, and what the spool may take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from edge_agent.config import Section
from edge_agent.errors import RefusedError
from edge_agent.snapshots.upload.addressing import parse_allowed
from edge_agent.snapshots.upload.template import UrlTemplate

__all__ = ["TimeoutConfig", "UploadConfig"]

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,8190}[\x21-\x7e])?")
# The transfer's own: another value would break it, or lie.
_OWN_HEADERS: Final = frozenset(
    {
        "connection",
        "content-digest",
        "content-encoding",
        "content-length",
        "cookie",
        "expect",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-checksum-sha256",
    }
)


class TimeoutConfig(Section):
    """How long to wait, in seconds. An upload that gets on is never ended for being long."""

    connect: float = Field(10.0, ge=0.1, le=300, description="Seconds for looking up, connecting, TLS")
    read: float = Field(
        60.0, ge=0.1, le=3600, description="Seconds for the whole answer, and for each 256 KiB sent"
    )


class UploadConfig(Section):
    """Where pictures are uploaded to. Without `url` only those go that a command gives an allowed URL."""

    url: str | None = Field(
        None,
        max_length=4096,
        description="Like https://host/{node}/{date:%Y/%m/%d}/{file_name}; {id} is the picture's id",
    )
    method: Literal["PUT", "POST", "WEBDAV"] = Field(
        "PUT", description="WEBDAV is PUT that makes the folders that are missing"
    )
    body: Literal["raw", "multipart"] = Field("raw", description="How POST sends the picture")
    field: str = Field("file", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="The name in a multipart body")
    auth: Literal["none", "bearer", "basic", "digest"] = Field("none", description="How to say who this is")
    username: str | None = Field(None, min_length=1, max_length=256, description="For basic and digest")
    password: SecretStr | None = Field(None, description="For basic and digest")
    token: SecretStr | None = Field(None, description="For bearer")
    headers: dict[str, SecretStr] = Field({}, max_length=32, description="Sent along; all count as secrets")
    idempotency_header: str = Field(
        "Idempotency-Key",
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="The header that tells a server that it has this picture already",
    )
    cert: Path | None = Field(None, description="PEM file of the client's certificate and its chain")
    key: Path | None = Field(None, description="PEM file of its private key, without a passphrase")
    ca: Path | None = Field(None, description="PEM file of the authorities to trust; null: the system's")
    verify: bool = Field(True, description="Whether the server must prove who it is")
    timeout_s: TimeoutConfig = Field(TimeoutConfig(), description="How long to wait")
    retry_base_s: float = Field(2.0, ge=0.01, le=3600, description="First ceiling of the random wait")
    retry_cap_s: float = Field(300.0, ge=0.01, le=86_400, description="Highest ceiling of the random wait")
    max_attempts: int | None = Field(
        None, ge=1, le=1_000_000, description="Answers of failure until a picture is parked; null: for ever"
    )
    order: Literal["oldest", "newest"] = Field("oldest", description="Which picture goes first")
    concurrency: int = Field(2, ge=1, le=8, description="Pictures that are sent at once")
    bandwidth_kbps: int | None = Field(
        None, ge=8, le=10_000_000, description="Kilobits a second of all together; null: no limit"
    )
    limit_mb: int = Field(1000, ge=1, le=10_000_000, description="Megabytes that may wait")
    min_free_mb: int = Field(100, ge=0, le=10_000_000, description="Megabytes that are left free on the disk")
    allow: tuple[Annotated[str, Field(min_length=1, max_length=2048)], ...] = Field(
        (), max_length=64, description="Beginnings of URLs, or hosts, that a command may name"
    )
    allow_private: bool = Field(
        False, description="Whether a command's URL may lead to a loopback, link-local or private address"
    )

    @field_validator("url")
    @classmethod
    def _makes_urls(cls, url: str | None) -> str | None:
        if url is not None:
            try:
                UrlTemplate(url)
            except RefusedError as error:
                raise ValueError(error.message) from error
        return url

    @field_validator("allow")
    @classmethod
    def _are_beginnings(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        for entry in allow:
            try:
                parse_allowed(entry)
            except RefusedError as error:
                raise ValueError(error.message) from error
        return allow

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if _HEADER_NAME.fullmatch(name) is None:
                raise ValueError(f"'{name[:64]}' is not a header's name")
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"'{name}' is the transfer's own header")
            if _HEADER_VALUE.fullmatch(value.get_secret_value()) is None:
                raise ValueError(f"the value of '{name}' must be printable ASCII on one line")
        return headers

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.body == "multipart" and self.method != "POST":
            raise ValueError(f"'body: multipart' goes with 'method: POST', not with {self.method}")
        if self.key is not None and self.cert is None:
            raise ValueError("'key' is given without 'cert': give the client's certificate, too")
        if self.retry_base_s > self.retry_cap_s:
            raise ValueError(
                f"'retry_base_s' is {self.retry_base_s}, it must not be above 'retry_cap_s', "
                f"which is {self.retry_cap_s}"
            )
        wanted = {"bearer": ("token",), "basic": ("username", "password"), "digest": ("username", "password")}
        for name in wanted.get(self.auth, ()):
            if getattr(self, name) is None:
                raise ValueError(f"'auth: {self.auth}' takes '{name}'")
        if self.token is not None and _HEADER_VALUE.fullmatch(self.token.get_secret_value()) is None:
            raise ValueError("'token' must be printable ASCII on one line")
        for name in ("username", "password", "token"):
            if getattr(self, name) is not None and name not in wanted.get(self.auth, ()):
                raise ValueError(f"'{name}' is given, but 'auth' is {self.auth}")
        if self.auth != "none" and "authorization" in {name.lower() for name in self.headers}:
            raise ValueError(f"'auth: {self.auth}' and the header 'Authorization' are two of one kind")
        return self
