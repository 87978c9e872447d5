"""What may be configured about the server that is published to."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

__all__ = ["StreamServerConfig"]


class StreamServerConfig(BaseModel):
    """The MediaMTX that is published to: its API, and where people watch."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    api: str | None = Field(None, description="Its API, like http://127.0.0.1:9997; null: it is not asked")
    username: str | None = Field(None, min_length=1, max_length=256, description="The API's user")
    password: SecretStr | None = Field(None, description="The API's password")
    token: SecretStr | None = Field(None, description="A bearer token for the API, in place of a user")
    ca: Path | None = Field(None, description="PEM file of the authority of an https API; null: the system's")
    poll_s: float = Field(2.0, ge=0.5, le=60, description="Seconds between two looks at the server")
    public_host: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._:-]{1,253}$", description="What viewers call the server; null: found out"
    )
    rtsp_url: str | None = Field(None, description="Where RTSP is watched; off where it is not")
    webrtc_url: str | None = Field(None, description="The page that plays WebRTC; off where there is none")
    hls_url: str | None = Field(None, description="The HLS playlist; off where there is none")

    @field_validator("api", "rtsp_url", "webrtc_url", "hls_url")
    @classmethod
    def _url_without_secrets(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None or (url == "off" and info.field_name != "api"):
            return url
        schemes = ("rtsp", "rtsps") if info.field_name == "rtsp_url" else ("http", "https")
        try:
            parts = urlsplit(url)
            usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"must be a URL like {schemes[0]}://host:port")
        if "@" in parts.netloc:
            raise ValueError("must not hold a user or a password")
        return url

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("'password' is given without 'username'")
        if self.token is not None and self.username is not None:
            raise ValueError("'token' and 'username' are two ways in: keep one of them")
        return self
