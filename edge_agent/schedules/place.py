"""Where the node is: its time zone."""

from __future__ import annotations

from datetime import tzinfo

from edge_agent.errors import ConfigError

__all__ = ["timezone_of"]


def timezone_of(name: str) -> tzinfo:
    """Return a time zone by its name; `auto` is the machine's. Raises ConfigError."""
    if name == "auto":
        from tzlocal import get_localzone  # noqa: PLC0415 - reads files: only where schedules run

        zone: tzinfo = get_localzone()
        return zone
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - see above

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"profiles.timezone: '{name}' is not known; right is a name like Europe/Paris"
        ) from error
