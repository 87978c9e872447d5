"""Child processes: typed channels, and the ladder that stops and restarts them."""
