"""Beats once, then answers requests by their kind, and goes when it is asked to or left alone."""

from __future__ import annotations

import os
import sys

from edge_agent.errors import RefusedError
from edge_agent.processes.channel import ChildChannel, Message
from edge_agent.processes.errors import error_body


def answer(channel: ChildChannel, message: Message) -> None:
    match message.kind:
        case "echo":
            channel.send(Message("result", message.body, id=message.id, attachment=message.attachment))
        case "refuse":
            error = RefusedError("'gain' is too high", field="gain", value=99, allowed=[1, 16])
            channel.send(Message("error", error_body(error), id=message.id))
        case "environment":
            body = {
                "unbuffered": os.environ.get("PYTHONUNBUFFERED"),
                "session": os.getsid(0),
                "pid": os.getpid(),
            }
            channel.send(Message("result", body, id=message.id))
        case "exit":
            sys.exit(message.body["code"])
        case "refuse_and_exit":
            error = RefusedError("no camera here")
            channel.send(Message("error", error_body(error), id=message.id))
            sys.exit(3)
        case "notice":
            channel.send(Message("noticed", message.body))


def main() -> None:
    channel = ChildChannel.from_descriptor(int(sys.argv[1]))
    channel.send(Message("beat"))
    while True:
        message = channel.receive()
        if message is None or message.kind == "stop":
            return
        answer(channel, message)


if __name__ == "__main__":
    main()
