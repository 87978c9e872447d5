"""The link to the broker: the only place that knows paho."""
