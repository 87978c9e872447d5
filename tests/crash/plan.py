"""How the server fails, drawn anew for each upload."""

from __future__ import annotations

from random import Random

from tests.upload_server import Fault

__all__ = ["Plan"]


class Plan:
    """`failing` is the share of the uploads that go wrong, until `is_over`."""

    def __init__(self, *, seed: int, failing: float) -> None:
        self._random = Random(seed + 1000)
        self._failing = failing
        self.is_over = False

    def next(self) -> Fault | None:
        """Return what goes wrong with the next upload, None where nothing does."""
        if self.is_over or self._random.random() > self._failing:
            return None
        return self._random.choice(
            [
                Fault(drop="before"),
                Fault(drop="after"),
                Fault(drop="after"),
                Fault(status=500),
                Fault(status=503, headers={"Retry-After": "0"}),
                Fault(status=429),
                Fault(pause_s=self._random.uniform(0, 0.1)),
            ]
        )
