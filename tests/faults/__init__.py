"""Everything that can befall a stream's server, done to a real one, and what the agent says and does then."""
