"""What a camera's tuning file says of its algorithms: which modes they really have."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.camera.drivers.picamera2.backend import Backend

__all__ = ["Tuning", "read_tuning"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tuning:
    """The modes by libcamera's names, or None where that is not known; and what goes for white balance.

    `grey_world`: white balance by averaging, as for cameras without infrared filter. Its modes do nothing.
    """

    grey_world: bool = False
    constraint_modes: frozenset[str] | None = None
    exposure_modes: frozenset[str] | None = None
    metering_modes: frozenset[str] | None = None
    awb_modes: frozenset[str] | None = None


def read_tuning(backend: Backend, *, model: str, path: Path | None, noir: bool) -> Tuning:
    """Return what the tuning file says. Where there is none to be read, what is known of such cameras."""
    sensor = model.partition("_")[0]
    # libcamera's own: without filter the imx219 is grey-world everywhere, the imx708 on the Pi 5.
    assumed = Tuning(grey_world=noir and (backend.pisp or sensor == "imx219"))
    try:
        if path is not None:
            document = json.loads(path.read_text(encoding="utf-8"))
        else:
            document = backend.picamera2.load_tuning_file(f"{model}.json")
        agc = _algorithm(document, "rpi.agc")
        awb = _algorithm(document, "rpi.awb")
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        logger.info("The tuning of %s could not be read, its modes are assumed: %s", model, error)
        return assumed
    channels = agc.get("channels")
    if isinstance(channels, list) and channels:
        agc = channels[0]
    return Tuning(
        grey_world=awb.get("bayes", 1) == 0 if awb else assumed.grey_world,
        constraint_modes=_names(agc.get("constraint_modes")),
        exposure_modes=_names(agc.get("exposure_modes")),
        metering_modes=_names(agc.get("metering_modes")),
        awb_modes=_names(awb.get("modes")),
    )


def _algorithm(document: dict[str, Any], name: str) -> dict[str, Any]:
    for algorithm in document.get("algorithms", ()):
        if name in algorithm:
            return dict(algorithm[name])
    return dict(document.get(name, {}))  # the first version of these files had them at the top


def _names(modes: Any) -> frozenset[str] | None:
    if not isinstance(modes, dict) or not modes:
        return None
    return frozenset(str(name).replace("-", "_") for name in modes)
