"""The parts that `edge_agent.config` is made of."""
