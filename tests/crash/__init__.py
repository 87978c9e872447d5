"""Kills an uploading process at random moments: what it had promised must be on the server, once."""
