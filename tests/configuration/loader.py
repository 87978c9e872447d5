"""Configurations as the agent would load them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from edge_agent.config import Configuration, load
from edge_agent.errors import ConfigError

__all__ = ["Beat", "Loader", "explained"]


class Beat(BaseModel):
    """A feature's section, not closed by itself: the configuration closes it."""

    interval_s: float = Field(30, ge=1, le=3600)
    headers: dict[str, str] = {}
    tokens: dict[str, SecretStr] = {}
    sizes: list[int] = []
    word: SecretStr | None = Field(None, min_length=20)
    short: dict[str, Annotated[str, Field(max_length=3)]] = {}


class Loader:
    """Loads the text of a file, an environment and credentials as the agent would."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "edge-agent.yaml"
        self.credentials = directory / "credentials"

    def __call__(
        self,
        text: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        credentials: Mapping[str, str] | None = None,
        sections: Mapping[str, type[BaseModel]] | None = None,
    ) -> Configuration:
        if text is not None:
            self.file.write_text(text)
            self.file.chmod(0o640)
        if credentials is not None:
            self.credentials.mkdir(exist_ok=True)
            for name, content in credentials.items():
                (self.credentials / name).write_text(content)
        return load(
            self.file if text is not None else None,
            environ=environ or {},
            sections={"beat": Beat} if sections is None else sections,
            credentials_directory=self.credentials if credentials is not None else None,
            default_path=self.file.with_name("absent.yaml"),
        )

    def error(self, text: str | None = None, **more: Any) -> list[str]:
        """Return the error's lines, the file's folder taken away."""
        with pytest.raises(ConfigError) as caught:
            self(text, **more)
        return caught.value.message.replace(f"{self.file.parent}/", "").splitlines()


def explained(configuration: Configuration) -> dict[str, tuple[Any, str]]:
    return {line.path: (line.value, line.origin) for line in configuration.explain()}
