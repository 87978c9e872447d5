"""Heartbeat, problems and what the machine says of itself."""
