"""Documents as bytes: strict JSON, whatever a sensor or a driver reported."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["encoded"]


def encoded(document: Any) -> bytes:
    """Return `document` as JSON; NaN and infinity, which JSON does not know, become null.

    Raises TypeError or ValueError on what cannot be written at all.
    """
    try:
        text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(document), separators=(",", ":"), allow_nan=False)
    return text.encode()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value
