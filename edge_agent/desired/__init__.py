"""The wanted state: one retained document that the node brings itself to."""
