"""A small broker for the demo, on loopback: `python -m edge_agent.demo.broker PORT`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys

__all__ = ["main"]


async def _serve(port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - an extra: only the demo needs it

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await broker.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stopped.wait()
    with contextlib.suppress(Exception):
        await broker.shutdown()


def main() -> None:
    """Serve until terminated."""
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(_serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
