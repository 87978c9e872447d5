"""The section `updates`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from edge_agent.config import Section

__all__ = ["UpdatesConfig"]


class UpdatesConfig(Section):
    """Where newer versions are looked for, and whether they may be installed."""

    source: Literal["auto", "apt", "url", "off"] = Field("auto", description="Who tells the newest version")
    url: str | None = Field(None, max_length=2048, description="Where it is told; null: nowhere")
    ca: Path | None = Field(None, description="PEM file of the authorities to trust; null: the usual ones")
    check_interval_h: float = Field(24, ge=1, le=8760, description="Hours between two looks")
    install: bool = Field(False, description="Whether the command `update` may install")

    @field_validator("url")
    @classmethod
    def _encrypted(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            plain = parts.scheme == "http" and _is_this_machine(parts.hostname or "")
            if not parts.hostname or not (parts.scheme == "https" or plain):
                raise ValueError("it should begin with https:// and a host (http:// for this machine only)")
        return url


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
