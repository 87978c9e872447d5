"""Make a node show itself, to whoever stands in front of a shelf of them."""
