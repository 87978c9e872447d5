"""A long run with random faults: nothing may leak, and every gap in the stream must have its fault."""
