"""Dusk as the simulated camera sees it, with traffic in front of it: one switch, not five."""

from __future__ import annotations

from itertools import pairwise

from edge_agent.camera.drivers.simulated import SimulatedOptions
from tests.camera.drivers.simulated_camera import Camera
from tests.profiles.house import House

# A day ten times as fast as a real one: dusk takes some minutes.
DUSK = SimulatedOptions(start_hour=18.0, day_s=8640, moving=True)
DAWN = SimulatedOptions(start_hour=4.7, day_s=8640, moving=True)
HEADLIGHTS_LUX = 400.0


def crossings(readings: list[float], threshold: float) -> int:
    """Return how often a single threshold without patience would have switched."""
    sides = [lux < threshold for lux in readings]
    return sum(1 for before, after in pairwise(sides) if before != after)


async def watched(house: House, options: SimulatedOptions, seconds: int) -> tuple[list[str], list[float]]:
    """Return the switches of so many seconds, one frame each, a car's headlights in the lens every minute."""
    camera = Camera(options=options, size=(160, 90), fps=1)
    camera.take(30)
    switches: list[str] = []
    seen: list[float] = []
    async with house.living(day_night={"mode": "auto"}) as life:
        life.desk.host.events.listen(
            lambda kind, document: switches.append(document["name"]) if kind == "profile" else None
        )
        for second in range(seconds):
            reading = camera.reading()
            assert reading.lux is not None
            lux = reading.lux + (HEADLIGHTS_LUX if second % 60 in range(40, 48) else 0.0)
            house.camera.reading = reading.model_copy(update={"lux": lux})
            seen.append(lux)
            await house.moment(1)
    return switches, seen


async def test_dusk_switches_once(house: House) -> None:
    switches, seen = await watched(house, DUSK, 500)
    assert crossings(seen, 5.0) >= 5
    assert switches == ["day", "night"]


async def test_dawn_switches_once(house: House) -> None:
    switches, seen = await watched(house, DAWN, 500)
    assert crossings(seen, 20.0) >= 5
    assert switches == ["night", "day"]
