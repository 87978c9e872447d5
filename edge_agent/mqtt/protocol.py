"""Which version of MQTT to speak."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["ProtocolChoice", "Version"]

Version = Literal["5", "3.1.1"]

_CLOSED_BEFORE_DOUBT: Final = 3
_WORKED_BEFORE_SURE: Final = 2


class ProtocolChoice:
    """MQTT 5 first, MQTT 3.1.1 where the broker has no 5; what worked is remembered.

    A broker that says "unsupported version" has no 5. One that closes or keeps silent (amqtt cannot parse
    MQTT 5's CONNECT) may only be restarting or busy: then 3.1.1 is tried at once, and 5 again with the next
    connection, until that was in vain twice.
    """

    def __init__(self, configured: Literal["auto", "5", "3.1.1"]) -> None:
        self._auto = configured == "auto"
        self.version: Version = "5" if configured == "auto" else configured
        self._five_worked = False
        self._sure = False
        self._fallbacks_worked = 0
        self._closed = 0

    @property
    def probing(self) -> bool:
        """Whether this is a try that should not take long, because there is another one to make."""
        return self._auto and self.version == "5" and not self._five_worked

    def worked(self) -> None:
        """Note that the broker accepted the version."""
        self._closed = 0
        if self.version == "5":
            self._five_worked = True
        else:
            self._fallbacks_worked += 1
            self._sure = self._sure or self._fallbacks_worked >= _WORKED_BEFORE_SURE

    def refused(self) -> bool:
        """Note that the broker refused the version. Return whether to try the other one at once."""
        if not self._auto:
            return False
        if self.version == "3.1.1":
            self._restart()
            return False
        self.version, self._sure, self._five_worked = "3.1.1", True, False
        return True

    def closed(self) -> bool:
        """Note that the broker closed without an answer. Return whether to try the other version at once."""
        self._closed += 1
        if self._five_worked and self._closed < _CLOSED_BEFORE_DOUBT:
            return False
        return self._fall_back()

    def silent(self) -> bool:
        """Note that the broker did not answer. Return whether to try the other version at once."""
        return not self._five_worked and self._fall_back()

    def ended(self) -> None:
        """Note that a connection that had worked is over."""
        if self._auto and not self._sure:
            self.version = "5"

    def _fall_back(self) -> bool:
        if not self._auto or self._sure:
            return False
        if self.version == "3.1.1":
            self._restart()
            return False
        self.version = "3.1.1"
        return True

    def _restart(self) -> None:
        self.version, self._sure, self._fallbacks_worked = "5", False, 0
