"""`edge-agent doctor`: looks an installation over, and says what to do about what is wrong."""
