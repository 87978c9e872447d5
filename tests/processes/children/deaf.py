"""Beats once, then ignores everything but SIGKILL: the end of its input, too."""

from __future__ import annotations

import signal
import sys
import threading

from edge_agent.processes.channel import ChildChannel, Message

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ChildChannel.from_descriptor(int(sys.argv[1])).send(Message("beat"))
    # Bounded, so that nothing is left behind where a test fails.
    threading.Event().wait(60)
