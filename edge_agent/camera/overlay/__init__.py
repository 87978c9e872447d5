"""Text in the picture: what it says, how it looks, and how it gets there."""
