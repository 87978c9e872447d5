"""`edge-agent run`: one agent in this process, until a signal, or until it is to be started again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random

from edge_agent.agent import Agent
from edge_agent.clock import SystemClock
from edge_agent.config import Configuration
from edge_agent.feature import Feature
from edge_agent.logs.formatting import LineFormatter, SecretMask, is_journal

__all__ = ["run_agent", "set_up_logging"]

logger = logging.getLogger(__name__)


def set_up_logging(level: str, *, secrets: Iterable[str] = ()) -> None:
    """Log to standard error, `secrets` and the credentials in URLs masked.

    Where that is the journal, each line begins with its priority, and the time is the journal's own.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(mask=SecretMask(secrets), journal=is_journal(sys.stderr, os.environ)))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
    # The children log like the agent.
    os.environ["CHILD_LOG_LEVEL"] = level.upper()
    for chatty in ("apscheduler", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def run_agent(configuration: Configuration, features: Mapping[str, type[Feature]]) -> None:
    """Run the agent; where a command asked for it, become a new one in the same process."""
    if asyncio.run(_live(configuration, features)):
        logger.info("Starting again")
        os.execv(sys.executable, [sys.executable, "-m", "edge_agent", *sys.argv[1:]])  # noqa: S606 - itself


async def _live(configuration: Configuration, features: Mapping[str, type[Feature]]) -> bool:
    directory = os.environ.get("RUNTIME_DIRECTORY")
    agent = Agent(
        configuration=configuration,
        features=features,
        clock=SystemClock(),
        random=Random(),
        runtime_directory=Path(directory) if directory else None,
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        agent.stop()
        # A second one does not wait for anything.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return await agent.run()
