"""An MQTT edge agent for cameras on small Linux machines."""

__all__ = ["CONTRACT_VERSION", "__version__"]

__version__ = "0.1.0"

# The version of the wire contract (topics, documents, commands), the `v1` of the default root `edge/v1`.
CONTRACT_VERSION = "1"
