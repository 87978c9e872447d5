"""Who may be talked to: the owner's own URL, and of the URLs in commands those that the owner allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from edge_agent.errors import RefusedError
from edge_agent.snapshots.picture import Picture
from edge_agent.snapshots.upload.target import Target, parse_target
from edge_agent.snapshots.upload.template import UrlTemplate

__all__ = ["Addressing", "Destination", "is_public", "parse_allowed", "private_refusal"]

# Addresses that carry an IPv4 address in their last 32 bits: translated (RFC 6052, 8215), compatible.
_CARRIERS: Final = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))


@dataclass(frozen=True, slots=True)
class Destination:
    """One picture's target, and what it is trusted with.

    `is_configured`: it is the owner's own URL, not a command's. `with_credentials`: the owner's passwords,
    headers and certificate go along. `may_be_private`: an address of the local networks will do.
    """

    target: Target
    is_configured: bool
    with_credentials: bool
    may_be_private: bool


class Addressing:
    """Turns a picture and the URL that its command gave, if any, into a destination."""

    def __init__(
        self, *, url: str | None, node: str, allow: Iterable[str] = (), allow_private: bool = False
    ) -> None:
        self._template = None if url is None else UrlTemplate(url)
        self._node = node
        self._allow = [parse_allowed(entry) for entry in allow]
        self._allow_private = allow_private

    @property
    def origin(self) -> str | None:
        """The owner's own server, None where no URL is configured."""
        return None if self._template is None else self._template.origin

    def destination(self, picture: Picture, url: str | None) -> Destination:
        """Return where a picture goes. Raises RefusedError where it must not go there."""
        if url is None:
            if self._template is None:
                raise RefusedError(
                    "there is nowhere to upload to: set upload.url, or give a URL that upload.allow allows",
                    code="upload_not_configured",
                    field="upload.url",
                )
            target = self._template.render(node=self._node, picture=picture)
            return Destination(target, is_configured=True, with_credentials=True, may_be_private=True)
        target = self.allowed(url)
        own = target.origin == self.origin
        if not own and not self._allow_private and not _may_be_public(target.host):
            raise private_refusal(target.shown, target.host)
        # A presigned URL is its own credential; servers refuse a second one beside it.
        return Destination(
            target,
            is_configured=False,
            with_credentials=own and not target.has_query,
            may_be_private=own or self._allow_private,
        )

    def allowed(self, url: str) -> Target:
        """Return a command's URL taken apart. Raises RefusedError where `upload.allow` does not allow it."""
        target = parse_target(url)
        if not any(_covers(entry, target) for entry in self._allow):
            raise RefusedError(
                f"'{target.shown}' is not allowed: no entry of upload.allow covers it",
                code="upload_not_allowed",
                field="url",
                value=target.shown,
                allowed=[entry.shown for entry in self._allow],
            )
        return target


def parse_allowed(entry: str) -> Target:
    """Return an entry of `upload.allow` taken apart: the beginning of a URL, or `host[:port]` for HTTPS."""
    target = parse_target(entry if "://" in entry else f"https://{entry}")
    if target.has_query:
        raise RefusedError(f"'{target.shown}' is not the beginning of a URL: leave the query out")
    return target


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, also where it hides in another one."""
    parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        for carried in _carried(parsed):
            if not is_public(str(carried)):
                return False
        if parsed.ipv4_mapped is not None:
            return True
        if parsed.is_site_local:
            return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


def private_refusal(shown: str, address: str) -> RefusedError:
    """Return the refusal of an address inside."""
    return RefusedError(
        f"'{shown}' is not uploaded to: {address} is in a loopback, link-local or private network; "
        "set upload.allow_private where that is meant",
        code="address_not_allowed",
        field="url",
        value=shown,
    )


def _carried(address: IPv6Address) -> list[IPv4Address]:
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _CARRIERS):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [carried for carried in found if carried is not None]


def _may_be_public(host: str) -> bool:
    """Whether a host could be outside, by its name; its address is checked when it is dialled."""
    try:
        return is_public(host)
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")


def _covers(entry: Target, target: Target) -> bool:
    if entry.origin != target.origin:
        return False
    wanted = entry.path.rstrip("/").split("/")
    return target.path.split("/")[: len(wanted)] == wanted
