"""An error's way over the channel: as the body of an answer, and back into the same class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from edge_agent import errors
from edge_agent.errors import EdgeAgentError, ProcessError

__all__ = ["error_body", "error_from_body"]

_MAX_MESSAGE: Final = 4000
_MAX_VALUE: Final = 4000

_CLASSES: Final[dict[str, type[EdgeAgentError]]] = {
    found.__name__: found
    for found in (getattr(errors, name) for name in errors.__all__)
    if isinstance(found, type) and issubclass(found, EdgeAgentError)
}


def _plain(value: Any) -> Any:
    """Return `value` as JSON can carry it, within bounds."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)[:_MAX_VALUE]
    return value if len(text) <= _MAX_VALUE else text[:_MAX_VALUE]


def error_body(error: EdgeAgentError) -> dict[str, Any]:
    """Return an error as the body of an answer of the kind "error"."""
    return {
        "type": type(error).__name__,
        "code": error.code,
        "message": error.message[:_MAX_MESSAGE],
        "field": error.field,
        "value": _plain(error.value),
        "allowed": _plain(error.allowed),
    }


def error_from_body(body: Mapping[str, Any]) -> EdgeAgentError:
    """Return the error that a child told; one of an unknown class is a ProcessError."""
    found = _CLASSES.get(str(body.get("type")), ProcessError)
    code, field = body.get("code"), body.get("field")
    return found(
        str(body.get("message") or "a child process failed and did not say why")[:_MAX_MESSAGE],
        code=str(code) if code else None,
        field=str(field) if field else None,
        value=body.get("value"),
        allowed=body.get("allowed"),
    )
