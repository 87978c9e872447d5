"""How RTSP proves who it is: Basic and Digest (RFC 7616), as a server asks for it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Credentials", "authorization"]

_FIELD: Final = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_ALGORITHMS: Final = {"": "md5", "MD5": "md5", "SHA-256": "sha256"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password."""

    user: str
    password: str = field(repr=False)


def authorization(
    challenges: Iterable[str], *, credentials: Credentials, nonce: Callable[[], str]
) -> Callable[[str, str], str] | None:
    """Return what makes the value of Authorization for a method and a URL, None where nothing fits.

    `challenges` are the values of WWW-Authenticate; the strongest that is known is taken.
    """
    digests: dict[str, dict[str, str]] = {}
    basic = False
    for challenge in challenges:
        scheme, _, rest = challenge.strip().partition(" ")
        fields = {name.lower(): quoted or plain for name, quoted, plain in _FIELD.findall(rest)}
        if scheme.lower() == "basic":
            basic = True
        elif scheme.lower() == "digest" and fields.get("algorithm", "").upper() in _ALGORITHMS:
            digests[_ALGORITHMS[fields.get("algorithm", "").upper()]] = fields
    for name in ("sha256", "md5"):
        if name in digests:
            return _digest(name, digests[name], credentials, nonce)
    if basic:
        token = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
        return lambda _method, _url: f"Basic {token}"
    return None


def _digest(
    name: str, fields: dict[str, str], credentials: Credentials, new_nonce: Callable[[], str]
) -> Callable[[str, str], str]:
    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    with_qop = "auth" in [word.strip() for word in fields.get("qop", "").split(",")]
    count = 0

    import hashlib  # noqa: PLC0415 - it brings OpenSSL along, which most sessions do not need

    def hashed(text: str) -> str:
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    def value(method: str, url: str) -> str:
        nonlocal count
        count += 1
        secret = hashed(f"{credentials.user}:{realm}:{credentials.password}")
        asked = hashed(f"{method}:{url}")
        parts = [
            f'username="{credentials.user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{url}"',
        ]  # fmt: skip
        if with_qop:
            counted, own = f"{count:08x}", new_nonce()
            response = hashed(f"{secret}:{nonce}:{counted}:{own}:auth:{asked}")
            parts += ["qop=auth", f"nc={counted}", f'cnonce="{own}"']
        else:
            response = hashed(f"{secret}:{nonce}:{asked}")
        parts.append(f'response="{response}"')
        parts += [f'opaque="{fields["opaque"]}"'] if "opaque" in fields else []
        parts += [f"algorithm={fields['algorithm']}"] if "algorithm" in fields else []
        return "Digest " + ", ".join(parts)

    return value
