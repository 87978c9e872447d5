"""What a demonstration needs and a real node does not."""
