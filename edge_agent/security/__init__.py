"""How safe the way to the broker is, watched while the agent runs."""
