"""What befalls the agent at random while it runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.receiver import Receiver

__all__ = ["Done", "Faults"]


@dataclass(frozen=True)
class Done:
    """A fault: from when to when it was."""

    name: str
    begun_s: float
    ended_s: float


class Faults:
    """Does one fault after the other; which, says `chance`."""

    def __init__(
        self,
        *,
        agent: AgentProcess,
        broker: Mosquitto,
        listener: Listener,
        receiver: Receiver,
        pids: Callable[[], Mapping[str, int]],
        chance: Random,
    ) -> None:
        self._agent = agent
        self._broker = broker
        self._listener = listener
        self._receiver = receiver
        self._pids = pids
        self._chance = chance
        self.done: list[Done] = []
        self._kinds: dict[str, Callable[[], None]] = {
            "publisher killed": lambda: self._signal("publisher", signal.SIGKILL),
            "publisher stopped": lambda: self._signal("publisher", signal.SIGSTOP),
            "camera killed": lambda: self._signal("camera", signal.SIGKILL),
            "camera stopped": lambda: self._signal("camera", signal.SIGSTOP),
            "server killed": self._server_killed,
            "server stopped": self._server_stopped,
            "server refuses": self._server_refuses,
            "broker killed": self._broker_killed,
            "burst of commands": self._burst,
        }

    def one(self) -> Done:
        """Do one, and return when it is over."""
        name = self._chance.choice(list(self._kinds))
        begun_s = time.monotonic()
        self._kinds[name]()
        self.done.append(Done(name, begun_s, time.monotonic()))
        return self.done[-1]

    def _signal(self, role: str, number: signal.Signals) -> None:
        pid = self._pids().get(role)
        if pid is not None:
            os.kill(pid, number)

    def _wait(self, least_s: float, most_s: float) -> None:
        time.sleep(self._chance.uniform(least_s, most_s))

    def _server_killed(self) -> None:
        self._receiver.kill()
        self._wait(0.5, 6)
        self._receiver.start()

    def _server_stopped(self) -> None:
        self._receiver.signal(signal.SIGSTOP)
        self._wait(1, 12)
        self._receiver.signal(signal.SIGCONT)

    def _server_refuses(self) -> None:
        self._receiver.behave(status="400 Bad Request")
        self._wait(1, 5)
        self._receiver.behave()

    def _broker_killed(self) -> None:
        self._broker.kill()
        self._wait(0.5, 5)
        self._broker.start()

    def _burst(self) -> None:
        for number in range(100):
            self._listener.publish(f"{self._agent.base}/cmd/image", {"contrast": 1 + number / 128})
        self._agent.command("image", {"contrast": 1}, timeout_s=30)
