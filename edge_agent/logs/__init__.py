"""The log: how lines are written, and how they are seen from afar."""
