"""The drivers that there are, by name; each is imported only when it is used.

Third parties' come in by the entry point group `edge_agent.drivers`: a class with the constructor
`(*, options, clock)` and a class attribute `options_model`, a closed pydantic model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.drivers.base import Driver
from edge_agent.clock import Clock
from edge_agent.contract.validation import refusal
from edge_agent.errors import CameraError, CameraUnavailableError, ConfigError, EdgeAgentError, suggestion

__all__ = ["AUTO", "DriverEntry", "Surveyed", "create", "entries", "open_driver", "options_of", "survey"]

logger = logging.getLogger(__name__)

AUTO: Final = "auto"
_GROUP: Final = "edge_agent.drivers"


@dataclass(frozen=True, slots=True)
class DriverEntry:
    """A driver in the table. What is to be imported is written `module:attribute`, as entry points are.

    `factory` is called with `options` and `clock` by keyword and opens nothing. `options` is a closed
    pydantic model. `auto` is the place in the order in which `driver: auto` tries; None is never tried.
    `missing` is called without arguments and returns why there is no such camera here, or None; without it
    that is known only by opening.
    """

    name: str
    factory: str
    options: str
    description: str
    auto: int | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A driver as `edge-agent cameras` shows it. `available` is "yes", or why it is not."""

    driver: str
    available: str
    chosen: bool
    description: str

    def document(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self)


_BUILT_IN: Final = (
    DriverEntry(
        name="picamera2",
        factory="edge_agent.camera.drivers.picamera2.driver:Picamera2Driver",
        options="edge_agent.camera.drivers.picamera2.options:Picamera2Options",
        description="A Raspberry Pi camera, by picamera2 and libcamera",
        auto=100,
        missing="edge_agent.camera.drivers.picamera2.presence:missing",
    ),
    DriverEntry(
        name="simulated",
        factory="edge_agent.camera.drivers.simulated.driver:SimulatedDriver",
        options="edge_agent.camera.drivers.simulated.options:SimulatedOptions",
        description="A scene with its own light over the day, seen by a camera that is not there",
        auto=1000,
    ),
    DriverEntry(
        name="file",
        factory="edge_agent.camera.drivers.file.driver:FileDriver",
        options="edge_agent.camera.drivers.file.options:FileOptions",
        description="A video file, played over and over",
    ),
)


def entries(*, found: Iterable[EntryPoint] | None = None) -> dict[str, DriverEntry]:
    """Return every driver by its name, third parties' included; nothing is imported for that."""
    table = {entry.name: entry for entry in _BUILT_IN}
    for point in entry_points(group=_GROUP) if found is None else found:
        if point.name in table or point.name == AUTO:
            logger.warning("The camera driver '%s' (%s) has a name that is taken", point.name, point.value)
            continue
        table[point.name] = DriverEntry(
            name=point.name,
            factory=point.value,
            options=f"{point.value}.options_model",
            description=f"from {point.module}",
        )
    return table


def options_of(entry: DriverEntry, options: Mapping[str, Any]) -> BaseModel:
    """Return a driver's options validated. Raises ConfigError that names the field and what is allowed."""
    model = _imported(entry, entry.options)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigError(f"the options of the camera driver '{entry.name}' are no model: {entry.options}")
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        refused = refusal(model, error)
        raise ConfigError(
            f"camera driver '{entry.name}': {refused.message}",
            code="invalid_options",
            field=f"camera.options.{refused.field}" if refused.field else "camera.options",
            value=refused.value,
            allowed=refused.allowed or sorted(model.model_fields),
        ) from error


def create(
    name: str, *, options: Mapping[str, Any], clock: Clock, table: Mapping[str, DriverEntry] | None = None
) -> Driver:
    """Make the driver of this name; nothing is opened.

    Raises ConfigError where there is no such driver or its options are wrong, and CameraUnavailableError
    where what it needs is not installed.
    """
    table = entries() if table is None else table
    if name not in table:
        known = sorted([*table, AUTO])
        raise ConfigError(
            f"there is no camera driver '{name}'{suggestion(name, known)}",
            code="unknown_driver",
            field="camera.driver",
            value=name,
            allowed=known,
        )
    entry = table[name]
    checked = options_of(entry, options)
    driver: Driver = _imported(entry, entry.factory)(options=checked, clock=clock)
    return driver


def open_driver(
    name: str, *, options: Mapping[str, Any], clock: Clock, table: Mapping[str, DriverEntry] | None = None
) -> tuple[Driver, CameraCapabilities, str]:
    """Make and open a driver. Returns it, what its camera can do, and why it is this one.

    `auto` takes the first of its order that opens; what the others said is in the reason. Raises as
    `create` does, and CameraError where the camera does not open.
    """
    table = entries() if table is None else table
    make = partial(create, options=options, clock=clock, table=table)
    if name != AUTO:
        driver = make(name)
        return driver, _opened(driver), "it is configured"
    told: list[str] = []
    for entry in _in_order(table):
        reason = _missing(entry)
        if reason is None:
            try:
                driver = make(entry.name)
                return driver, _opened(driver), _because(told)
            except CameraError as error:
                reason = error.message
        told.append(f"{entry.name}: {reason}")
    raise CameraUnavailableError(f"there is no camera here ({'; '.join(told)})", field="camera.driver")


def survey(*, table: Mapping[str, DriverEntry] | None = None) -> list[Surveyed]:
    """Return every driver, whether it could be used here, and which one `auto` would take. Opens nothing."""
    table = entries() if table is None else table
    missing = {entry.name: _missing(entry) for entry in table.values()}
    first = next((entry.name for entry in _in_order(table) if missing[entry.name] is None), None)
    return [
        Surveyed(entry.name, missing[entry.name] or "yes", entry.name == first, entry.description)
        for entry in sorted(table.values(), key=lambda entry: (entry.auto is None, entry.auto, entry.name))
    ]


def _in_order(table: Mapping[str, DriverEntry]) -> list[DriverEntry]:
    ranked = [(entry.auto, entry.name, entry) for entry in table.values() if entry.auto is not None]
    return [entry for _, _, entry in sorted(ranked, key=lambda item: item[:2])]


def _because(told: list[str]) -> str:
    return f"no camera before it is here ({'; '.join(told)})" if told else "it is the first that is here"


def _opened(driver: Driver) -> CameraCapabilities:
    try:
        return driver.open()
    except BaseException:
        driver.close()
        raise


def _missing(entry: DriverEntry) -> str | None:
    """Return why an entry's camera is not here, as far as that is known without opening it."""
    if entry.missing is None:
        return None
    try:
        reason = _imported(entry, entry.missing)()
    except EdgeAgentError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - one driver's broken look-round must not hide the others
        logger.warning("The camera driver '%s' could not look for its camera: %s", entry.name, error)
        return f"{type(error).__name__}: {error}"
    return None if reason is None else str(reason)


def _imported(entry: DriverEntry, path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return attrgetter(attribute)(import_module(module))
    except (ImportError, AttributeError) as error:
        raise CameraUnavailableError(
            f"the camera driver '{entry.name}' cannot be loaded here: {error}", field="camera.driver"
        ) from error
