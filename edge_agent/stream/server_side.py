"""The server's side of the stream: looked at, kept as evidence, told in `status.stream.server`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Final

from edge_agent.clock import Clock, rfc3339
from edge_agent.health.problems import Problems
from edge_agent.stream.contention import Contention
from edge_agent.stream.evidence import ServerEvidence, Session, Verdict
from edge_agent.stream.server_view import Source
from edge_agent.stream.server_watch import Look, ServerWatch
from edge_agent.stream.status import ServerStatus

__all__ = ["ServerSide"]

logger = logging.getLogger(__name__)

_MAY_BE_AWAY_S: Final = 10.0


class ServerSide:
    """Joins the looks with the publisher's sessions. Everything but `run` is quick and for the event loop."""

    def __init__(
        self,
        *,
        watch: ServerWatch,
        scheme: str,
        path: str,
        clock: Clock,
        random: Random,
        problems: Problems,
        status_changed: Callable[[], None],
    ) -> None:
        self._watch = watch
        self._clock = clock
        self._problems = problems
        self._status_changed = status_changed
        self._evidence = ServerEvidence(scheme=scheme, path=path, now_s=clock.monotonic())
        self._away = False
        self.contention = Contention(random=random)

    @property
    def has_api(self) -> bool:
        """Whether the server can be asked at all."""
        return self._watch.has_api

    @property
    def verdict(self) -> Verdict | None:
        """What contradicts that the stream is published."""
        return self._evidence.verdict(self._clock.monotonic())

    @property
    def holder(self) -> Source | None:
        """Who else publishes to our path, as far as is known."""
        return self._evidence.holder

    async def run(
        self,
        *,
        publisher: Callable[[], int | None],
        session: Callable[[], Session | None],
        on_look: Callable[[int | None], None],
    ) -> None:
        """Look until cancelled. `on_look` gets the readers that are counted, None where they are not."""

        def looked(look: Look) -> None:
            on_look(self._take(look, session()))

        await self._watch.run(publisher=publisher, on_look=looked)

    def session_began(self, *, at_once: bool) -> None:
        """Take note that the server took a session; `at_once`: at the first try after the last one."""
        self._evidence.forget_session()
        self.contention.session_began(self._clock.monotonic(), at_once=at_once)
        self._watch.look_soon()

    def session_ended(self, *, hung_up: bool) -> None:
        """Take note of a session's end; `hung_up`: by the server or the network."""
        can_ask = self.has_api and self._evidence.state not in ("unknown", "away")
        self.contention.session_ended(self._clock.monotonic(), hung_up=hung_up, can_ask=can_ask)
        self._watch.look_soon()

    def status(self) -> ServerStatus:
        """Return `status.stream.server`."""
        evidence, view = self._evidence, self._evidence.view
        age = timedelta(seconds=self._clock.monotonic() - evidence.since_s)
        return ServerStatus(
            state=evidence.state,
            reason=evidence.reason if self.has_api else "stream.server.api is not configured",
            since=rfc3339(self._clock.now() - age),
            online=view.online if view else None,
            readers=view.readers if view else None,
            inbound_bytes=view.inbound_bytes if view else None,
            inbound_bps=evidence.inbound_bps,
            outbound_bytes=view.outbound_bytes if view else None,
        )

    def _take(self, look: Look, session: Session | None) -> int | None:
        now_s = self._clock.monotonic()
        evidence, before = self._evidence, self._summary()
        evidence.look(look, session, now_s)
        answer, view = look.answer, evidence.view
        knows = answer is not None and (view is not None or answer.kind == "missing")
        # What was seen while this agent's publisher was still there may have been itself.
        if look.publisher is None or not self.contention.stepped_back:
            self.contention.looked(now_s, held=evidence.holder is not None if knows else None)
        self._tell(published=session is not None and evidence.verdict(now_s) is None, now_s=now_s)
        if self._summary() != before:
            self._status_changed()
        if not knows:
            return None
        return view.readers if view else 0

    def _summary(self) -> tuple[object, ...]:
        view = self._evidence.view
        return (self._evidence.state, view and view.online, view and view.readers)

    def _tell(self, *, published: bool, now_s: float) -> None:
        """Tell once that the API is away, and its return; a problem only where it is the API alone."""
        evidence, away = self._evidence, self._evidence.state == "away"
        if away != self._away:
            self._away = away
            logger.log(logging.WARNING if away else logging.INFO, "%s", evidence.reason or "the API answers")
        lasting = away and published and now_s - evidence.since_s >= _MAY_BE_AWAY_S
        text = f"{evidence.reason}; the stream goes on, and who reads it is not known"
        self._problems.set("server_api_away", text if lasting else None)
