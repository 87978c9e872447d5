"""Pictures: capture and where they go."""
