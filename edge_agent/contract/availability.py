"""`availability`: who is online, told so that a late will can be seen for what it is."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Final, Literal

from edge_agent.clock import Clock
from edge_agent.mqtt.message import Incoming, Outgoing

__all__ = ["Availability"]

logger = logging.getLogger(__name__)

_CONTESTS: Final = 5
_CONTEST_WINDOW_S: Final = 60.0
# By then even a slow broker has sent the birth back.
_ECHO_WITHIN_S: Final = 15.0


class Availability:
    """Makes the will, the birth and the stop's message, and puts right what others write on the topic."""

    def __init__(
        self,
        *,
        topic: str,
        clock: Clock,
        publish: Callable[[Outgoing], None],
        contested: Callable[[str | None], None],
        unheard: Callable[[str | None], None],
    ) -> None:
        self._topic = topic
        self._clock = clock
        self._publish = publish
        self._contested = contested
        self._unheard = unheard
        self._waiting: asyncio.TimerHandle | None = None
        self._present: Outgoing | None = None
        self._confirmed = False
        self._again: asyncio.TimerHandle | None = None
        self._corrections: list[float] = []

    def message(self, state: Literal["online", "offline", "stopped"], epoch: int) -> Outgoing:
        """Return the document of a state; all have the same topic, QoS and retain."""
        payload = json.dumps({"state": state, "epoch": epoch}, separators=(",", ":")).encode()
        return Outgoing(topic=self._topic, payload=payload, qos=1, retain=True, kind="state")

    def born(self, epoch: int) -> None:
        """Publish `online`; from here on the topic is watched."""
        self._present = self.message("online", epoch)
        self._confirmed = False
        self._publish(self._present)
        self._stop_waiting()
        self._waiting = asyncio.get_running_loop().call_later(_ECHO_WITHIN_S, self.give_up_waiting)

    def repeat(self) -> None:
        """Publish what holds once more, for somebody who has just come."""
        if self._present is not None:
            self._publish(self._present)

    def lost(self) -> None:
        """The connection is gone: what comes before the next birth is no contradiction."""
        self._present = None
        self._stop_waiting()
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def seen(self, message: Incoming) -> None:
        """Look at what is on the topic, and say again what is so where it is something else.

        Two agents that share one node's name would correct each other for ever: after a few times in a
        minute it is left alone and reported.
        """
        present = self._present
        if present is None:
            return
        if message.payload == present.payload:
            self._confirmed = True
            self._stop_waiting()
            self._unheard(None)
            return
        if not self._confirmed:
            return  # the broker had this before the birth, which has replaced it since
        now = self._clock.monotonic()
        self._corrections = [at for at in self._corrections if now - at < _CONTEST_WINDOW_S]
        if len(self._corrections) >= _CONTESTS:
            if self._again is None:
                self._again = asyncio.get_running_loop().call_later(_CONTEST_WINDOW_S, self.look_again)
            self._contested(
                "something else keeps writing this node's availability: is there a second agent of its name?"
            )
            return
        self._correct(present, now)

    def give_up_waiting(self) -> None:
        """Tell that the birth has not come back; it is called when it should have.

        Some brokers deny a subscription or a message without a word: this is how it shows.
        """
        self._waiting = None
        self._unheard(
            f"what this agent writes on '{self._topic}' does not come back: the broker's access list must "
            "let it write and read there; commands may not reach it either"
        )

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def look_again(self) -> None:
        """Put right what was left alone in a contest; it is called once the contest is over.

        The other one may have gone with the last word: nothing more would come that `seen` could answer.
        """
        self._again = None
        if self._present is not None:
            self._corrections.clear()
            self._correct(self._present, self._clock.monotonic())

    def _correct(self, present: Outgoing, now: float) -> None:
        self._corrections.append(now)
        self._contested(None)
        logger.info("Availability was overwritten, by a late will or another client; it is put right")
        self._publish(present)
