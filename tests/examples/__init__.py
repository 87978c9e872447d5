"""Examples of everything on the wire, taken from a real run."""
