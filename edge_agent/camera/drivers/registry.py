"""The drivers there are, by name; each is imported only where it is opened.

Third parties' come in by the entry point group `edge_agent.drivers`: a class with the constructor
`(*, options, clock)` and a class attribute `options_model`, a closed pydantic model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.drivers.base import Driver
from edge_agent.clock import Clock
from edge_agent.errors import CameraError, CameraUnavailableError, suggestion

__all__ = ["AUTO", "DriverEntry", "Surveyed", "open_driver", "survey"]

AUTO: Final = "auto"
GROUP: Final = "edge_agent.drivers"


@dataclass(frozen=True, kw_only=True)
class DriverEntry:
    """A driver: where it is, what its options are, and what it is for."""

    name: str
    module: str
    driver: str
    description: str
    # Where it is not named, it is the driver's own `options_model`.
    options: str | None = None
    # What `auto` tries, in the order of the table; a driver that needs to be told something is none of it.
    automatic: bool = False

    def load(self) -> tuple[type[Any], type[BaseModel]]:
        """Import the driver and the model of its options."""
        driver = getattr(import_module(self.module), self.driver)
        options = getattr(import_module(self.module), self.options) if self.options else driver.options_model
        return driver, options


_BUILT_IN: Final = (
    DriverEntry(
        name="simulated",
        module="edge_agent.camera.drivers.simulated",
        driver="SimulatedDriver",
        options="SimulatedOptions",
        description="A scene that answers to every setting; needs no hardware",
        automatic=True,
    ),
    DriverEntry(
        name="file",
        module="edge_agent.camera.drivers.file",
        driver="FileDriver",
        options="FileOptions",
        description="A video that plays in a loop (camera.path)",
    ),
)


@dataclass(frozen=True)
class Surveyed:
    """A driver as `edge-agent cameras` shows it."""

    driver: str
    available: str
    chosen: bool
    description: str

    def document(self) -> dict[str, Any]:
        """Return it for machines."""
        return {name: getattr(self, name) for name in ("driver", "available", "chosen", "description")}


def _entries() -> dict[str, DriverEntry]:
    found = {entry.name: entry for entry in _BUILT_IN}
    for entry_point in entry_points(group=GROUP):
        module, _, attribute = entry_point.value.partition(":")
        found.setdefault(
            entry_point.name,
            DriverEntry(
                name=entry_point.name,
                module=module,
                driver=attribute,
                description=f"from {module}",
            ),
        )
    return found


def open_driver(
    name: str, *, options: Mapping[str, Any], clock: Clock
) -> tuple[Driver, CameraCapabilities, str]:
    """Open a camera: the driver, what the camera can do, and why it is this one.

    Raises CameraError for an unknown driver or wrong options, CameraUnavailableError where there is no camera.
    """
    entries = _entries()
    if name != AUTO:
        entry = entries.get(name)
        if entry is None:
            known = [AUTO, *entries]
            raise CameraError(
                f"there is no camera driver '{name}'{suggestion(name, known)}",
                code="unknown_driver",
                field="camera.driver",
                value=name,
                allowed=known,
            )
        driver = _create(entry, options, clock)
        return driver, driver.open(), "as configured"
    tried: list[str] = []
    for entry in entries.values():
        if not entry.automatic:
            continue
        driver = _create(entry, options, clock)
        try:
            capabilities = driver.open()
        except CameraUnavailableError as error:
            driver.close()
            tried.append(f"{entry.name}: {error.message}")
            continue
        because = f"auto; not {'; '.join(tried)}" if tried else "auto: the first one there is"
        return driver, capabilities, because
    raise CameraUnavailableError(f"no camera was found; tried {'; '.join(tried)}")


def _create(entry: DriverEntry, options: Mapping[str, Any], clock: Clock) -> Driver:
    driver_type, model = entry.load()
    try:
        checked = model.model_validate(dict(options))
    except ValidationError as error:
        complaint = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in complaint["loc"])
        near = suggestion(path, model.model_fields) if complaint["type"] == "extra_forbidden" else ""
        raise CameraError(
            f"driver '{entry.name}': option '{path}': {complaint['msg']}{near}",
            code="invalid_options",
            field=f"camera.options.{path}",
            allowed=sorted(model.model_fields),
        ) from error
    driver: Driver = driver_type(options=checked, clock=clock)
    return driver


def survey() -> list[Surveyed]:
    """Return the drivers there are; `auto` takes the first automatic one."""
    chosen = next((entry.name for entry in _entries().values() if entry.automatic), None)
    return [
        Surveyed(
            driver=entry.name,
            available="always" if entry.automatic else "when configured",
            chosen=entry.name == chosen,
            description=entry.description,
        )
        for entry in _entries().values()
    ]
