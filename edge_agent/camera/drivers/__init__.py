"""The cameras that this agent can drive, each behind the one protocol in `base`."""
