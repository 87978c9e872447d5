"""From a message on a command topic to its answers.

Every command is answered; nothing that a message can hold ends the agent or changes anything by half.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal

from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.command import Call, Command, Outcome, Registry
from edge_agent.contract.envelope import Envelope, bounded, open_envelope
from edge_agent.contract.events import Events
from edge_agent.contract.guards import Guards
from edge_agent.contract.journal import Entry, Journal
from edge_agent.contract.reply import ReplyState, final_state, reply_document
from edge_agent.contract.topics import COMMAND_NAME, Topics
from edge_agent.contract.validation import validate
from edge_agent.contract.wire import encoded
from edge_agent.errors import EdgeAgentError, ExpiredError, RefusedError, StorageError
from edge_agent.mqtt.message import Incoming, Outgoing

__all__ = ["Dispatcher"]

logger = logging.getLogger(__name__)

# What takes longer than this is answered `accepted` first, whether it was declared slow or not.
_MOMENT_S: Final = 0.25
_MAX_RUNNING: Final = 200
_STOP_TIMEOUT_S: Final = 5.0
_REPLY_EXPIRES_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Request:
    """A command that was understood: what to do, and where its answers go."""

    name: str
    envelope: Envelope
    message: Incoming | None
    started: float
    given: Any = None
    # What the journal knows it by where it outlives the agent, with or without an id of the caller's.
    lasting_key: str | None = None

    @property
    def key(self) -> str | None:
        # A dry run changes nothing, so that it may run again, and the real one after it under its id.
        return None if self.envelope.id is None or self.envelope.dry_run else json.dumps(self.envelope.id)

    @property
    def journal_key(self) -> str | None:
        return self.lasting_key if self.key is None else self.key


class Dispatcher:
    """Checks, de-duplicates and carries out commands, and answers them."""

    def __init__(
        self,
        *,
        topics: Topics,
        registry: Registry,
        journal: Journal,
        events: Events,
        publish: Callable[[Outgoing], None],
        clock: Clock,
        guards: Guards,
        max_payload_bytes: int = 65536,
    ) -> None:
        self._topics = topics
        self._registry = registry
        self._journal = journal
        self._events = events
        self._publish = publish
        self._clock = clock
        self._max_payload_bytes = max_payload_bytes
        self._guards = guards
        self._running: set[asyncio.Task[None]] = set()
        self._not_begun: dict[str, _Request] = {}
        self._taken = 0
        self._stopping = False
        self.refused_count = 0

    def end_open_commands(self) -> None:
        """Answer or take up what was under way when the agent was last ended, so that nobody waits for it."""
        for entry in self._journal.open():
            try:
                command = self._registry.find(entry.command)
            except RefusedError:
                self._end_open(entry, ends_well=False)
                continue
            if command.spec.resumes:
                self._resume(entry, command)
            else:
                self._end_open(entry, ends_well=command.spec.ends_with_restart)

    def _end_open(self, entry: Entry, *, ends_well: bool) -> None:
        error = (
            None
            if ends_well
            else EdgeAgentError(
                "the agent was restarted while this was under way; see `status`, then send it anew",
                code="interrupted",
            )
        )
        document = reply_document(
            id=entry.caller_id,
            command=entry.command,
            state="done" if ends_well else "failed",
            time=self._clock.now(),
            duration_ms=self._age_s(entry) * 1000,
            error=error,
        )
        self._journal.finish(entry.key, document)
        # The file may be damaged: what is in it makes no topic of its own.
        if COMMAND_NAME.fullmatch(entry.command):
            self._send(entry.command, document, None)

    def _resume(self, entry: Entry, command: Command) -> None:
        request = _Request(
            entry.command,
            Envelope(payload=None, is_object=False, id=entry.caller_id),
            None,
            self._clock.monotonic() - self._age_s(entry),
            lasting_key=entry.key,
        )
        self._begin(request, command, None, resumed=True)

    def _age_s(self, entry: Entry) -> float:
        return max(0.0, (self._clock.now() - entry.time).total_seconds())

    def receive(self, message: Incoming) -> None:
        """Take a message from a command topic; returns at once, the answers follow."""
        name = self._topics.command_of(message.topic)
        if name is None:
            return
        if message.retain:
            self._refuse_by_event(name, "retained", "commands are never taken from retained messages")
            return
        started = self._clock.monotonic()
        if not COMMAND_NAME.fullmatch(name):
            self._refuse_by_event(name, "unknown_command", "a command's name is made of a-z, 0-9 and _")
            return
        request = _Request(name, Envelope(payload=None, is_object=False), message, started)
        try:
            self._check_size(message)
            envelope = open_envelope(message.payload)
            request = _Request(name, envelope, message, started, given=envelope.payload)
            self._take(request)
        except EdgeAgentError as error:
            # What may pass by itself is not the id's outcome: the same id may be tried again.
            passing = error.code in ("busy", "rate_limited") or isinstance(error, StorageError)
            self._end(request, final_state(error), error=error, record=None if passing else "memory")
        except Exception as error:
            logger.exception("A message on %s could not be dealt with", message.topic)
            self._end(request, "failed", error=_unexpected(error), record=None)

    def _take(self, request: _Request) -> None:
        envelope = request.envelope
        if request.name in self._registry:
            self._guards.spend(request.name)
        if request.key is not None and self._answered_before(request, request.key):
            return
        if envelope.fault is not None:
            raise envelope.fault
        self._guards.check_name(request.name)
        command = self._registry.find(request.name)
        self._check_expiry(request)
        given = (
            dict(envelope.payload) if envelope.is_object else dict(command.spec.from_bare(envelope.payload))
        )
        arguments = validate(command.spec.arguments, given)
        self._guards.check_change(command.spec, arguments, dry_run=envelope.dry_run)
        request = replace(request, given=given)
        if self._stopping:
            raise RefusedError("this agent is about to stop, try again later", code="busy")
        if len(self._running) >= _MAX_RUNNING:
            raise RefusedError(f"{_MAX_RUNNING} commands are under way already, try again later", code="busy")
        if command.spec.outlives_agent and request.key is None and not envelope.dry_run:
            # The next agent answers it, also where the caller gave no id: no two are the same.
            moment = rfc3339(self._clock.now())
            request = replace(request, lasting_key=json.dumps([request.name, moment, self._taken]))
        if request.journal_key is not None:
            self._journal.begin(request.journal_key, request.name)
        self._begin(request, command, arguments)

    def _begin(self, request: _Request, command: Command, arguments: Any, *, resumed: bool = False) -> None:
        self._taken += 1
        name = f"command {request.name} {self._taken}"
        self._not_begun[name] = request
        task = asyncio.get_running_loop().create_task(
            self._carry_out(name, request, command, arguments, resumed=resumed), name=name
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _check_size(self, message: Incoming) -> None:
        if len(message.payload) > self._max_payload_bytes:
            raise RefusedError(
                f"a command has at most {self._max_payload_bytes} bytes, this one has {len(message.payload)}",
                code="too_large",
                value=len(message.payload),
                allowed={"max_bytes": self._max_payload_bytes},
            )

    def _answered_before(self, request: _Request, key: str) -> bool:
        entry = self._journal.find(key)
        if entry is None:
            return False
        if entry.outcome is not None:
            document = entry.outcome
        else:
            document = reply_document(
                id=request.envelope.id, command=entry.command, state="running", time=self._clock.now()
            )
        # An id that was used for another command is answered where its caller listens now.
        self._send(request.name, document, request.message)
        return True

    def _check_expiry(self, request: _Request) -> None:
        envelope = request.envelope
        if envelope.expires_at is not None and self._clock.now() > envelope.expires_at:
            late = self._clock.now() - envelope.expires_at
            raise ExpiredError(
                f"it expired {_span(late)} ago by this node's clock; where clocks differ use 'ttl_s'",
                field="expires_at",
                value=envelope.expires_at.isoformat(),
            )
        if envelope.ttl_s is not None and self._clock.monotonic() - request.started > envelope.ttl_s:
            raise ExpiredError(
                "the command's ttl_s ran out before it could start", field="ttl_s", value=envelope.ttl_s
            )

    async def _carry_out(
        self, name: str, request: _Request, command: Command, arguments: Any, *, resumed: bool
    ) -> None:
        del self._not_begun[name]
        loop = asyncio.get_running_loop()
        if command.spec.slow and not resumed:
            self._answer(request, "accepted")
        timer = None if command.spec.slow else loop.call_later(_MOMENT_S, self._answer, request, "accepted")
        call = Call(
            arguments=arguments,
            given={} if resumed else request.given,
            cause="command" if request.envelope.id is None else f"command {request.envelope.id}",
            dry_run=request.envelope.dry_run,
            strict=request.envelope.strict,
            progress=lambda share: self._answer(request, "running", progress=share),
            resumed=resumed,
        )
        # What ends the task from outside leaves this as it is.
        error: EdgeAgentError | None = _interrupted()
        outcome = Outcome()
        try:
            self._check_expiry(request)
            outcome = await command.handler(call)
            error = None
        except EdgeAgentError as caught:
            error = caught
        except Exception as caught:
            logger.exception("Command %s failed in a way that nobody expected", request.name)
            error = _unexpected(caught)
        finally:
            if timer is not None:
                timer.cancel()
            interrupted = error is not None and error.code == "interrupted"
            if not (interrupted and self._stopping and command.spec.outlives_agent):
                state: ReplyState = "done" if error is None else final_state(error)
                self._end(request, state, outcome=outcome, error=error, record="disk")

    def _answer(self, request: _Request, state: ReplyState, *, progress: float | None = None) -> None:
        document = reply_document(
            id=request.envelope.id,
            command=request.name,
            state=state,
            time=self._clock.now(),
            duration_ms=self._elapsed_ms(request),
            requested=request.given,
            progress=progress,
        )
        self._send(request.name, document, request.message)

    def _end(
        self,
        request: _Request,
        state: ReplyState,
        *,
        outcome: Outcome | None = None,
        error: EdgeAgentError | None = None,
        record: Literal["disk", "memory"] | None,
    ) -> None:
        try:
            document = self._final_document(request, state, outcome or Outcome(), error)
        except Exception as unwritable:
            # The command was carried out, but what it says of it is no JSON: still it is answered.
            logger.exception("What %s came to cannot be told", request.name)
            state = "failed"
            document = self._final_document(request, state, Outcome(), _unexpected(unwritable))
        if request.journal_key is not None and record == "disk":
            self._journal.finish(request.journal_key, document)
        elif request.key is not None and record == "memory" and self._journal.find(request.key) is None:
            self._journal.remember(request.key, request.name, document)
        if state == "rejected":
            self.refused_count += 1
        self._send(request.name, document, request.message)

    def _final_document(
        self, request: _Request, state: ReplyState, outcome: Outcome, error: EdgeAgentError | None
    ) -> dict[str, Any]:
        document = reply_document(
            id=request.envelope.id,
            command=request.name,
            state=state,
            time=self._clock.now(),
            duration_ms=self._elapsed_ms(request),
            requested=request.given,
            applied=outcome.applied,
            clamped=outcome.clamped,
            result=outcome.result,
            dry_run=request.envelope.dry_run,
            error=error,
        )
        encoded(document)
        return document

    def _elapsed_ms(self, request: _Request) -> float:
        return (self._clock.monotonic() - request.started) * 1000

    def _send(self, command: str, document: dict[str, Any], message: Incoming | None) -> None:
        payload = encoded(document)
        self._publish(
            Outgoing(
                topic=self._topics.reply(command),
                payload=payload,
                expires_s=_REPLY_EXPIRES_S,
                kind="reply",
                correlation_data=message.correlation_data if message else None,
            )
        )
        if message is None or message.response_topic is None:
            return
        if not self._topics.may_be_answered_on(message.response_topic):
            logger.warning("A caller's response topic is not one that this agent may write to; it is ignored")
            return
        self._publish(
            Outgoing(
                topic=message.response_topic,
                payload=payload,
                expires_s=_REPLY_EXPIRES_S,
                kind="reply",
                correlation_data=message.correlation_data,
            )
        )

    def _refuse_by_event(self, name: str, code: str, message: str) -> None:
        self.refused_count += 1
        self._events.emit("command", "refused", command=bounded(name), code=code, message=message)

    async def stop(self) -> None:
        """End what is under way: each command is answered `failed`, but those that outlive the agent.

        What comes in later is refused as `busy`. A handler that does not end within seconds is left behind.
        """
        self._stopping = True
        running = tuple(self._running)
        for task in running:
            task.cancel()
        if running:
            _, left_behind = await asyncio.wait(running, timeout=_STOP_TIMEOUT_S)
            for task in left_behind:
                logger.warning("%s did not end when it was told to", task.get_name())
        # A task that is cancelled before its first step never gets to answer.
        for request in self._not_begun.values():
            if request.message is None:
                continue  # an earlier agent's, which the next one takes up
            self._end(request, "failed", error=_interrupted(), record="disk")
        self._not_begun.clear()
        self._journal.close()


def _interrupted() -> EdgeAgentError:
    return EdgeAgentError("the agent was stopped while this was under way", code="interrupted")


def _unexpected(error: Exception) -> EdgeAgentError:
    return EdgeAgentError(f"an unexpected {type(error).__name__}: {bounded(str(error))}", code="internal")


def _span(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
