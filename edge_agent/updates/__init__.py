"""Newer versions of the agent itself: where they are told, and how one is installed."""
