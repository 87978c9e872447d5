"""What day and night are configured with, and what the command takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, create_model, field_validator, model_validator
from pydantic.fields import FieldInfo

from edge_agent.config import Section
from edge_agent.contract.command import Arguments
from edge_agent.profiles.day_night.decider import Phase

__all__ = ["DayNightArguments", "DayNightConfig", "Mode", "OutputConfig", "Rules", "SourceChoice"]

Mode = Literal["auto", "day", "night", "off"]
SourceChoice = Literal["auto", "lux", "sun", "topic"]
_Lux = Annotated[float, Field(ge=0, le=100_000)]
_Degrees = Annotated[float, Field(ge=-18, le=18)]
_Seconds = Annotated[float, Field(ge=0, le=3600)]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Payload = Annotated[str, Field(max_length=1024)]


class Rules(Section):
    """Who decides between day and night, and by what. All of it can be commanded, too."""

    mode: Mode = Field("off", description="auto switches between day and night; day and night hold; off")
    source: SourceChoice = Field("auto", description="auto: the topic's sensor, else the lux, else the sun")
    night_below_lux: _Lux = Field(5.0, description="Night when darker for dwell_s")
    day_above_lux: _Lux = Field(20.0, description="Day when lighter for dwell_s")
    dwell_s: _Seconds = Field(30.0, description="How long it must have changed")
    sun_below_deg: _Degrees = Field(-6.0, description="Night when the sun is lower; -6 ends civil twilight")

    @model_validator(mode="after")
    def _not_both_at_once(self) -> Self:
        if self.night_below_lux > self.day_above_lux:
            raise ValueError("'night_below_lux' is above 'day_above_lux': it would be day and night at once")
        return self


class OutputConfig(Section):
    """Something that day and night switch, by a pin or by MQTT: an infrared filter's motor, a lamp."""

    name: _Name = Field(description="What it is called in status")
    kind: Literal["ir_cut", "lamp"] = Field(
        description="An ir_cut goes before the profile at night, a lamp after"
    )
    gpio: int | None = Field(None, ge=0, le=53, description="The pin's number as BCM counts")
    active: Phase = Field("night", description="When the pin is high")
    topic: str | None = Field(None, max_length=512, description="Where to publish instead")
    day: _Payload = Field("OFF", description="What is published by day")
    night: _Payload = Field("ON", description="What is published at night")
    retain: bool = Field(False, description="Whether the broker keeps it")

    @field_validator("topic")
    @classmethod
    def _one_topic(cls, topic: str | None) -> str | None:
        return _plain_topic(topic)

    @model_validator(mode="after")
    def _pin_or_topic(self) -> Self:
        if (self.gpio is None) == (self.topic is None):
            raise ValueError("an output has either 'gpio' or 'topic'")
        return self


class DayNightConfig(Rules):
    """The rules to begin with, and what they switch."""

    day_profile: _Name = Field("day", description="The profile by day")
    night_profile: _Name = Field("night", description="The profile at night")
    topic: str | None = Field(None, max_length=512, description="A light sensor: a number is lux, or a word")
    topic_key: str | None = Field(None, max_length=64, description="Where the sensor sends objects: the key")
    topic_max_age_s: float | None = Field(None, gt=0, description="What is older is not believed")
    outputs: tuple[OutputConfig, ...] = Field((), max_length=16, description="What else is switched")

    @field_validator("topic")
    @classmethod
    def _one_topic(cls, topic: str | None) -> str | None:
        return _plain_topic(topic)

    @model_validator(mode="after")
    def _source_is_there(self) -> Self:
        if self.source == "topic" and self.topic is None:
            raise ValueError("'source' is topic, and there is no 'topic'")
        names = [output.name for output in self.outputs]
        if len(set(names)) < len(names):
            raise ValueError("two of the 'outputs' have one name")
        return self


def _plain_topic(topic: str | None) -> str | None:
    if topic is not None and (not topic or topic.startswith("$") or any(sign in topic for sign in "+#\0")):
        raise ValueError("must be one topic, without '+' and '#', and not one of the broker's own ('$')")
    return topic


def _or_none(info: FieldInfo) -> tuple[Any, Any]:
    limited: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    return limited | None, Field(None, description=info.description)


# The command takes every rule, each of them optional.
_fields: Any = {name: _or_none(info) for name, info in Rules.model_fields.items()}
DayNightArguments: type[Arguments] = create_model(
    "DayNightArguments",
    __base__=Arguments,
    __doc__="Who decides, and by which light.",
    **_fields,
)
