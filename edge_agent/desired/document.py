"""The document on `desired`, and what is wrong with one."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.contract.command import Arguments
from edge_agent.contract.envelope import bounded, parse_json
from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError

__all__ = ["MAX_BYTES", "Desired", "StreamWanted", "understood"]

MAX_BYTES: Final = 256 * 1024
_MAX_ENTRIES: Final = 100
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Mapping = Annotated[dict[_Name, dict[str, Any]], Field(max_length=_MAX_ENTRIES)]


class StreamWanted(BaseModel):
    """What is wanted of the stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(description="Whether there is a stream")


class Desired(Arguments):
    """What the node is to be. What is not mentioned stays as it is.

    The parts hold what the commands `profile` (save), `schedule` (set), `day_night` and `settings` take.
    """

    version: int = Field(ge=0, le=2**53, description="A higher one replaces a lower one")
    profile: _Name | None = Field(None, description="The profile to apply")
    settings: dict[str, Any] | None = Field(None, description="Settings on top of it")
    stream: StreamWanted | None = Field(None, description="Whether there is a stream")
    profiles: _Mapping | None = Field(None, description="Profiles to save, by name")
    schedules: _Mapping | None = Field(None, description="Schedules to set, by name")
    day_night: dict[str, Any] | None = Field(None, description="Who decides between day and night")


def understood(payload: bytes) -> Desired:
    """Return the document in a payload. Raises RefusedError that names the field."""
    if len(payload) > MAX_BYTES:
        raise RefusedError(
            f"the wanted state has at most {MAX_BYTES} bytes, this one has {len(payload)}",
            code="too_large",
            value=len(payload),
            allowed={"max_bytes": MAX_BYTES},
        )
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError("the wanted state is not UTF-8", code="not_utf8") from error
    try:
        document = parse_json(text)
    except ValueError as error:
        raise RefusedError(f"the wanted state is not JSON: {error}", code="not_json") from error
    if not isinstance(document, dict):
        raise RefusedError("the wanted state is a JSON object", code="not_json", value=bounded(document))
    return validate(Desired, document)
