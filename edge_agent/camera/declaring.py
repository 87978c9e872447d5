"""How a setting is declared, and what is made of a declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

__all__ = ["Group", "Whole", "partial_model", "setting", "setting_info"]


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Whole(Group):
    """A value of several parts that is set as one."""


def setting(
    default: Any,
    description: str,
    *,
    unit: str | None = None,
    live: bool = True,
    software: bool = False,
    title: str | None = None,
    icon: str | None = None,
    everyday: bool = False,
) -> Any:
    """Declare a setting. One that is not `live` needs the camera stopped and configured anew.

    One of `software` is not the camera's to have: it holds wherever frames are encoded. `title` is its short
    name for people, where its path does not say it; an `everyday` one is shown to them unasked.
    """
    told = {"unit": unit, "title": title, "icon": icon, "everyday": everyday or None}
    extra: dict[str, Any] = {"live": live, "software": software}
    extra.update({key: value for key, value in told.items() if value})
    return Field(default, description=description, json_schema_extra=extra)


def partial_model(
    model: type[BaseModel], name: str, *, fields: Mapping[str, str] | None = None
) -> type[BaseModel]:
    """Return `model` with every field optional, so that what was given can be told from what was not.

    `fields` chooses and renames: the new name -> the name in `model`. A null is refused where the model
    itself takes none.
    """

    def drop_default(schema: dict[str, Any]) -> None:
        schema.pop("default", None)

    chosen = fields if fields is not None else {field: field for field in model.model_fields}
    definitions: dict[str, Any] = {}
    for new, old in chosen.items():
        info = model.model_fields[old]
        annotation: Any = info.annotation
        if (
            isinstance(annotation, type)
            and issubclass(annotation, Group)
            and not issubclass(annotation, Whole)
        ):
            annotation = partial_model(annotation, f"{annotation.__name__}Patch")
        for constraint in info.metadata:
            annotation = Annotated[annotation, constraint]
        extra = {k: v for k, v in setting_info(info).items() if k == "unit"}

        def schema_extra(schema: dict[str, Any], extra: dict[str, Any] = extra) -> None:
            drop_default(schema)
            schema.update(extra)

        definitions[new] = (
            annotation,
            Field(None, description=info.description, json_schema_extra=schema_extra),
        )
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    created: type[BaseModel] = create_model(name, __config__=config, __doc__=model.__doc__, **definitions)
    return created


def setting_info(info: FieldInfo) -> dict[str, Any]:
    """Return what `setting` declared beside type and default: `live`, and `unit` where there is one."""
    extra = info.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}
