"""Sessions of requests with a server of one's own, whose certificate may be a private authority's."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

__all__ = ["new_session"]


class _Adapter(HTTPAdapter):
    """Asks of a certificate what `client_context` of the module tls asks."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **kwargs)


def new_session(url: str, *, ca: Path | None = None) -> requests.Session:
    """Return a session for the server of `url` that trusts `ca`, or for None what requests does.

    It heeds nothing of the environment: proxies and .netrc are for other places than a server of one's own.
    """
    session = requests.Session()
    session.trust_env = False
    if url.lower().startswith("https:"):
        # urllib3's own has been strict since Python 3.13, as Python's is: see there.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca is None:
            context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        else:
            session.verify = str(ca)
        session.mount("https://", _Adapter(context))
    return session
