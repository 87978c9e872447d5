"""One entity as a component of Home Assistant's device document.

Home Assistant drops a key that it does not know without a word: what is written here is what its schemas of
2025.4 to the newest take. The templates ask by `get`, so that a part of `status` that is null, as the
camera's is while it is away, is unknown and no warning in the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.contract.entity import Entity, Platform
from edge_agent.contract.topics import Topics

__all__ = ["AGENT_ONLINE", "Naming", "component", "expression"]

AGENT_ONLINE: Final = "{{ 'online' if value_json.get('state') == 'online' else 'offline' }}"
_CAMERA_RUNNING: Final = (
    "{{ 'online' if (value_json.get('camera') or {}).get('state') in ['running', 'stalled'] else 'offline' }}"
)
_PART: Final = re.compile(r"\{v\.([a-z_]+)\}")
# With more steps than these a slider is not hit.
_SLIDER_STEPS: Final = 255
# What Home Assistant takes for a state.
_MAX_STATE: Final = 255
# Stands for the value that a person chooses; no text of the contract holds it.
_PLACE: Final = "\u0001value\u0001"


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Where this node's documents are, and what its entities' ids begin with."""

    topics: Topics
    unique_id: str

    def document(self, source: str) -> str:
        """Return the topic of a retained document."""
        return self.topics.heartbeat if source == "heartbeat" else self.topics.status

    def command(self, name: str) -> str:
        """Return a command's topic."""
        return f"{self.topics.base}/cmd/{name}"


def expression(path: str) -> str:
    """Return a template's expression for a dotted path into a JSON object, null where a part of it is."""
    *parents, last = path.split(".")
    found = "value_json"
    for parent in parents:
        found = f"({found}.get('{parent}') or {{}})"
    return f"{found}.get('{last}')"


def component(entity: Entity, naming: Naming) -> dict[str, Any]:
    """Return the entity's configuration for the device document."""
    config: dict[str, Any] = {
        "platform": entity.platform,
        "unique_id": f"{naming.unique_id}_{entity.key}",
        "name": entity.name,
        "icon": entity.icon,
        "entity_category": entity.category,
        "device_class": entity.device_class,
        "enabled_by_default": None if entity.enabled else False,
    }
    if entity.name is not None:
        config = {key: value for key, value in config.items() if value is not None}
    else:
        # A null name is a word of its own: this entity bears the device's name.
        config = {key: value for key, value in config.items() if value is not None or key == "name"}
    if entity.needs_camera:
        config["availability"] = [
            {"topic": naming.topics.availability, "value_template": AGENT_ONLINE},
            {"topic": naming.topics.status, "value_template": _CAMERA_RUNNING},
        ]
        config["availability_mode"] = "all"
    config.update(_PLATFORMS[entity.platform](entity, naming))
    return config


def _stated(entity: Entity, naming: Naming, template: str) -> dict[str, Any]:
    if entity.path is None:
        raise ValueError(f"the entity '{entity.key}' has no path to its state")
    stated: dict[str, Any] = {"state_topic": naming.document(entity.source), "value_template": template}
    if entity.attributes:
        parts = ", ".join(f"'{name}': {expression(path)}" for name, path in entity.attributes.items())
        stated["json_attributes_topic"] = naming.document(entity.source)
        stated["json_attributes_template"] = f"{{{{ {{{parts}}} | to_json }}}}"
    return stated


def _value(entity: Entity) -> str:
    found = expression(entity.path or "")
    if entity.first is not None:
        found = (
            f"(({found} or []) | map(attribute='{entity.first}') | reject('none') | list + [none]) | first"
        )
    if entity.scale is None and entity.precision is None:
        return f"{{{{ {found} }}}}"
    number = "v" if entity.scale is None else f"v * {entity.scale:g}"
    if entity.precision is not None:
        number = f"({number}) | round({entity.precision})"
    return f"{{% set v = {found} %}}{{{{ none if v is none else {number} }}}}"


def _on_or_off(entity: Entity) -> str:
    if entity.presence:
        *parents, last = (entity.path or "").split(".")
        return (
            f"{{% set v = {expression('.'.join(parents))} %}}"
            f"{{{{ none if v is none else 'ON' if v.get('{last}') is not none else 'OFF' }}}}"
        )
    test = "v" if entity.on_state is True else f"v == {json.dumps(entity.on_state)}"
    return (
        f"{{% set v = {expression(entity.path or '')} %}}"
        f"{{{{ none if v is none else 'ON' if {test} else 'OFF' }}}}"
    )


def _sensor(entity: Entity, naming: Naming) -> dict[str, Any]:
    config = _stated(entity, naming, _value(entity))
    if entity.unit is not None:
        config["unit_of_measurement"] = entity.unit
    if entity.state_class is not None:
        config["state_class"] = entity.state_class
    if entity.precision is not None:
        config["suggested_display_precision"] = entity.precision
    if entity.options:
        config["device_class"] = "enum"
        config["options"] = list(entity.options)
    return config


def _binary_sensor(entity: Entity, naming: Naming) -> dict[str, Any]:
    return _stated(entity, naming, _on_or_off(entity))


def _commanded(entity: Entity, naming: Naming) -> dict[str, Any]:
    if entity.command is None:
        raise ValueError(f"the entity '{entity.key}' has no command")
    return {"command_topic": naming.command(entity.command), "qos": 1}


def _switch(entity: Entity, naming: Naming) -> dict[str, Any]:
    return {
        **_commanded(entity, naming),
        **_stated(entity, naming, _on_or_off(entity)),
        "payload_on": _text(entity.on),
        "payload_off": _text(entity.off),
        "state_on": "ON",
        "state_off": "OFF",
    }


def _chosen(entity: Entity, *, raw: bool) -> str:
    """Return the template of a command that a chosen value goes into; a bare one is the value alone."""
    value = "{{ value }}" if raw else "{{ value | to_json }}"
    if entity.arguments is None:
        return "{{ value }}"
    return json.dumps(_placed(entity.arguments)).replace(json.dumps(_PLACE), value)


def _placed(arguments: Any) -> Any:
    if arguments is ...:
        return _PLACE
    if isinstance(arguments, Mapping):
        return {name: _placed(value) for name, value in arguments.items()}
    return arguments


def _number(entity: Entity, naming: Naming) -> dict[str, Any]:
    config = {
        **_commanded(entity, naming),
        **_stated(entity, naming, _value(entity)),
        "command_template": _chosen(entity, raw=True),
        "min": entity.minimum,
        "max": entity.maximum,
        "step": entity.step,
        "mode": _number_mode(entity),
    }
    if entity.unit is not None:
        config["unit_of_measurement"] = entity.unit
    return config


def _number_mode(entity: Entity) -> str:
    span = (entity.maximum or 0) - (entity.minimum or 0)
    return "slider" if span <= _SLIDER_STEPS * (entity.step or 1) else "box"


def _text_field(entity: Entity, naming: Naming) -> dict[str, Any]:
    return {
        **_commanded(entity, naming),
        **_stated(entity, naming, _value(entity)),
        "command_template": _chosen(entity, raw=False),
        "min": 0,
        "max": entity.max_length or _MAX_STATE,
    }


def _select(entity: Entity, naming: Naming) -> dict[str, Any]:
    # What is not among the options, a size that was asked for by number, would be an error in the log.
    options = json.dumps(list(entity.options), ensure_ascii=False)
    found = expression(entity.path or "")
    if entity.state is not None:
        parts = _PART.sub(r"' ~ v.get('\1') ~ '", entity.state)
        found = f"v and ('{parts}')"
        template = f"{{% set v = {expression(entity.path or '')} %}}"
        template += f"{{% set s = {found} %}}{{{{ s if s in {options} else none }}}}"
    else:
        template = f"{{% set s = ({found}) | string %}}{{{{ s if s in {options} else none }}}}"
    return {
        **_commanded(entity, naming),
        **_stated(entity, naming, template),
        "command_template": _chosen(entity, raw=all(_is_number(option) for option in entity.options)),
        "options": list(entity.options),
    }


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _button(entity: Entity, naming: Naming) -> dict[str, Any]:
    arguments = {} if entity.arguments is None else entity.arguments
    return {**_commanded(entity, naming), "payload_press": _text(arguments)}


def _text(payload: Any) -> str:
    return payload if isinstance(payload, str) else json.dumps(payload)


def _camera(entity: Entity, _naming: Naming) -> dict[str, Any]:
    return {"topic": entity.topic}


def _image(entity: Entity, _naming: Naming) -> dict[str, Any]:
    return {"image_topic": entity.topic, "content_type": "image/jpeg"}


def _event(entity: Entity, _naming: Naming) -> dict[str, Any]:
    return {"state_topic": entity.topic, "event_types": list(entity.options), "qos": 1}


def _update(entity: Entity, naming: Naming) -> dict[str, Any]:
    config = _stated(entity, naming, _update_state(entity))
    if entity.command is not None:
        config["command_topic"] = naming.command(entity.command)
        config["payload_install"] = _text(entity.on)
    return config


def _update_state(entity: Entity) -> str:
    """Return the template of an update's state, one object: a key that is null would cost it the whole."""
    paths = {
        "installed_version": entity.path,
        "latest_version": entity.latest,
        "release_url": entity.link,
    }
    parts = ", ".join(f"'{name}': {expression(path)}" for name, path in paths.items() if path is not None)
    if entity.summary is not None:
        # What is left out stays as it was.
        parts += f", 'release_summary': {expression(entity.summary)} or ''"
    told = f"dict({{{parts}}}.items() | rejectattr(1, 'none')"
    if entity.progress is None:
        return f"{{{{ {told}) | to_json }}}}"
    percentage = "none if p is none else (p * 100) | round | int"
    told += f", in_progress=p is not none, update_percentage={percentage})"
    return f"{{% set p = {expression(entity.progress)} %}}{{{{ {told} | to_json }}}}"


_PLATFORMS: Final[Mapping[Platform, Callable[[Entity, Naming], dict[str, Any]]]] = {
    "binary_sensor": _binary_sensor,
    "button": _button,
    "camera": _camera,
    "event": _event,
    "image": _image,
    "number": _number,
    "select": _select,
    "sensor": _sensor,
    "switch": _switch,
    "text": _text_field,
    "update": _update,
}
