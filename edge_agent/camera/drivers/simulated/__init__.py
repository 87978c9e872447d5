"""A camera that is not there: a scene with its own light, seen through a sensor like the imx708.

Its picture answers to every setting that it offers, and what it reports is measured in the picture.
"""

from edge_agent.camera.drivers.simulated.driver import SimulatedDriver
from edge_agent.camera.drivers.simulated.options import SimulatedOptions

__all__ = ["SimulatedDriver", "SimulatedOptions"]
