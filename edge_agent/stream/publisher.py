"""The publisher child: `python -m edge_agent.stream.publisher FD`, where FD is its end of the channel.

It opens the session with the stream's target, and lends its connection to the camera child, which writes its
packets to it (see `loan`); where that cannot be, it takes them from there and writes them itself. Its
publishing thread is the main one; two small ones talk to the agent, which ends the process when that hangs.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import time
from typing import Final

from edge_agent.errors import EdgeAgentError, ProcessError
from edge_agent.processes.channel import ChildChannel, Message
from edge_agent.pulse import until_pulse_s
from edge_agent.stream.messages import BEAT, CONFIGURE, STOP, PublisherConfig
from edge_agent.stream.packet_source import PacketSource
from edge_agent.stream.publisher_session import Publisher
from edge_agent.stream.publisher_status import PublisherStatus
from edge_agent.stream.retry import Retry
from edge_agent.stream.targets import new_mux
from edge_agent.stream.url import parse_stream_url

__all__ = ["main"]

logger = logging.getLogger(__name__)

_BEAT_S: Final = 1.0
_STOP_S: Final = 2.0
_FORCED_EXIT: Final = 1
_USAGE_EXIT: Final = 2


def main(arguments: list[str]) -> int:
    """Run the child. Returns the exit code: 0 after a proper stop, 2 for what it cannot begin with."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # Ctrl-C in a terminal reaches every process of the group; the agent's `stop` is what counts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if len(arguments) != 1 or not arguments[0].isdecimal():
        logger.error("expected one argument, the descriptor of the channel")
        return _USAGE_EXIT
    channel = ChildChannel.from_descriptor(int(arguments[0]))
    try:
        config = _receive_config(channel)
        if config is None:
            return 0
        publisher, status, stop = _build(config)
    except EdgeAgentError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message says all, and a traceback may show a URL
        return _USAGE_EXIT
    threading.Thread(target=_obey, args=(channel, stop), name="obey", daemon=True).start()
    threading.Thread(target=_tell, args=(channel, status), name="tell", daemon=True).start()
    publisher.run()
    status.wait_until_told(_BEAT_S)
    return 0


def _receive_config(channel: ChildChannel) -> PublisherConfig | None:
    message = channel.receive()
    if message is None or message.kind == STOP:
        return None
    if message.kind != CONFIGURE:
        raise ProcessError(f"the first message is '{message.kind}', expected '{CONFIGURE}'")
    return PublisherConfig.from_body(message.body)


def _build(config: PublisherConfig) -> tuple[Publisher, PublisherStatus, threading.Event]:
    target = parse_stream_url(config.url)

    chance = random.Random()
    status = PublisherStatus()
    stop = threading.Event()
    publisher = Publisher(
        source=PacketSource(path=config.packet_socket),
        open_mux=lambda first: new_mux(target, config=config, first=first, chance=chance),
        status=status,
        retry=Retry(chance=chance),
        stop=stop,
    )
    return publisher, status, stop


def _obey(channel: ChildChannel, stop: threading.Event) -> None:
    """Do what the agent says; without an agent there is nothing to live for."""
    try:
        while (message := channel.receive()) is not None:
            if message.kind == STOP:
                _arm()
                stop.set()
            else:
                logger.warning("the agent sent '%s', which means nothing here", message.kind)
    except ProcessError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message says all
    os._exit(_FORCED_EXIT)


def _arm() -> None:
    """Bound the stop. The alarm is the kernel's: it ends the process even where the interpreter is locked."""
    timer = threading.Timer(_STOP_S, os._exit, (_FORCED_EXIT,))
    timer.daemon = True
    timer.start()
    signal.alarm(int(_STOP_S) + 1)


def _tell(channel: ChildChannel, status: PublisherStatus) -> None:
    """Beat."""
    try:
        while True:
            pause_s = until_pulse_s(time.monotonic(), _BEAT_S)
            channel.send(Message(BEAT, status.next_beat(pause_s).body()))
    except ProcessError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message says all
        os._exit(_FORCED_EXIT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
