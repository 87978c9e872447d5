"""Pins of a Raspberry Pi, through gpiozero where that is installed."""

from __future__ import annotations

from typing import Any, Protocol

from edge_agent.errors import ConfigError, EdgeAgentError

__all__ = ["Pin", "open_pin"]


class Pin(Protocol):
    """One pin that is written to."""

    def set(self, *, high: bool) -> None:
        """Make it high or low. Raises EdgeAgentError."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class _GpiozeroPin:
    def __init__(self, number: int, device: Any) -> None:
        self._number = number
        self._device = device

    def set(self, *, high: bool) -> None:
        try:
            (self._device.on if high else self._device.off)()
        except Exception as error:
            raise EdgeAgentError(f"GPIO {self._number}: {error}", code="gpio_failed") from error

    def close(self) -> None:
        self._device.close()


def open_pin(number: int, *, high: bool) -> Pin:
    """Take a pin as an output that is high or low from the first moment; blocks. Raises EdgeAgentError."""
    try:
        from gpiozero import DigitalOutputDevice  # noqa: PLC0415 - only where a pin is configured
    except ImportError as error:
        raise ConfigError(
            f"GPIO {number} needs gpiozero, which is not there: apt install python3-gpiozero python3-lgpio",
            code="gpio_missing",
        ) from error
    try:
        return _GpiozeroPin(number, DigitalOutputDevice(number, initial_value=high))
    except Exception as error:  # gpiozero has many, and those of the library below it
        raise EdgeAgentError(
            f"GPIO {number} cannot be used: {error or type(error).__name__}", code="gpio_failed"
        ) from error
