"""The secrets that a configuration holds, so that what is written about anything can be cleaned of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretBytes, SecretStr

from edge_agent.masking import is_secret_name

__all__ = ["secrets_of"]

# Shorter ones would be found inside of ordinary words, and guard nothing anyway.
_MIN_LENGTH: Final = 4


def secrets_of(document: BaseModel) -> frozenset[str]:
    """Return every secret value of four characters or more: declared ones, telling names', URLs'."""
    return frozenset(secret for secret in _found(document, "") if len(secret) >= _MIN_LENGTH)


def _found(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode(errors="replace")
    elif isinstance(value, BaseModel):
        for key, child in value:
            yield from _found(child, key)
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from _found(child, str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for child in value:
            yield from _found(child, name)
    elif isinstance(value, str):
        if is_secret_name(name):
            yield value
        yield from _in_url(value)


def _in_url(text: str) -> Iterator[str]:
    if "://" not in text or "@" not in text:
        return
    try:
        password = urlsplit(text).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
