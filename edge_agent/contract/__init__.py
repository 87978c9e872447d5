"""The wire contract: topics, envelope, the registry of commands, replies and their journal."""
