"""A typed client of nodes, for scripts.

async with connect("mqtt://localhost") as broker:
    porch = broker.node("porch")
    reply = await porch.exposure(time_us=10_000)
    print(reply.applied)
"""

from edge_agent.client.connection import Broker, connect
from edge_agent.client.node import Node
from edge_agent.client.reply import CommandError, NoAnswerError, Reply

__all__ = ["Broker", "CommandError", "NoAnswerError", "Node", "Reply", "connect"]
