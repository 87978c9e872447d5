"""Pictures at an interval: time-lapses."""
