"""The loop: see, think, record, act. It carries recorded decisions out and decides nothing itself."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from events.catalog import (
    CommandReceived,
    ConfigurationLoaded,
    DeadlineReached,
    Decision,
    Event,
    LogSlow,
    RunAbandoned,
    RunAdopted,
    RunExited,
    StartDecided,
    SupervisorStarted,
    SupervisorStopped,
)
from events.envelope import Draft, Micros, Position, Recorded
from events.errors import LogError
from nexus.platforms.base import Clock, Mailbox, Processes
from nexus.policies.step import POLICIES, Policy, step
from projections.state import State, encode, evolve

Effect = Callable[[Position, Decision], list[Draft]]
Subscriber = Callable[[State, Sequence[Recorded]], None]

logger = logging.getLogger(__name__)

APPEND_LIMIT_SECONDS = 1.0
RETRY_SECONDS = 1.0
SLOW_REPORTED_EVERY_SECONDS = 60.0


class Writer(Protocol):
    """What the loop needs of the event log."""

    @property
    def wants_rotation(self) -> bool: ...

    def append(self, batch: Sequence[Recorded]) -> None: ...

    def rotate(self, at: Micros, state: bytes) -> Recorded: ...

    def position_of(self, command_id: str) -> Position | None: ...

    def take_problems(self) -> Sequence[Event]: ...


class Controller:
    """One supervisor's life: `state` is what it knows, and nobody else changes it."""

    def __init__(
        self,
        log: Writer,
        clock: Clock,
        mailbox: Mailbox,
        processes: Processes,
        effects: Mapping[type[Decision], Effect],
        state: State,
        policies: Sequence[Policy] = POLICIES,
    ) -> None:
        self.log, self.clock, self.mailbox, self.processes = log, clock, mailbox, processes
        self.effects, self.state, self.policies = effects, state, policies
        self.subscribers: list[Subscriber] = []
        self._unrecorded: list[Draft] = []
        self._commands: dict[str, asyncio.Future[Position]] = {}
        self._retry_at: Micros = 0
        self._slow_again_at: Micros = 0

    # -- one life ------------------------------------------------------------------------------

    def recover(self, started: SupervisorStarted, loaded: ConfigurationLoaded | None = None) -> None:
        """Look at the world first, then let the policies decide; an old start is never carried out again.

        `loaded` is what is declared now, where that has changed: nothing is decided by what was declared before.
        """
        pending = self.state.decisions.pending
        found = [
            Draft(draft.event, run if run in pending else draft.cause)
            for run, instance in self.state.services.runs.items()
            for draft in self.processes.adopt(run, instance)
        ]
        found += self._lost_runs()
        self.turn([*found, Draft(started), *([Draft(loaded)] if loaded else [])])
        again = [(seq, decision) for seq, decision in pending.items() if not isinstance(decision, StartDecided)]
        self.turn([
            outcome
            for seq, decision in again
            if seq in self.state.decisions.pending
            for outcome in self._act(seq, decision)
        ])  # fmt: skip

    def _lost_runs(self) -> list[Draft]:
        """Runs that live and that the history does not know: they were decided in a part of the log that is lost.

        One that has ended is forgotten: mostly its end was recorded, and only the forgetting was interrupted.
        """
        found: list[Draft] = []
        for run, instance in self.processes.begun().items():
            if run in self.state.services.runs:
                continue
            drafts = self.processes.adopt(run, instance) or [Draft(RunAdopted(instance=instance, run=run, pid=0))]
            if isinstance(drafts[0].event, RunAdopted):
                found += drafts
            else:
                self.processes.forget(run)
        return found

    async def run(self) -> None:
        """Until a shutdown is completed."""
        while not self.state.supervisor.gone:
            seen = await self.mailbox.wait(self._wake_at())
            self.turn(seen)

    def stop(self, pid: int) -> None:
        """Record the end of this supervisor in good order."""
        left = tuple(sorted(self.state.services.runs.values()))
        self.turn([Draft(SupervisorStopped(pid=pid, services_left_running=left))])

    async def submit(self, command: CommandReceived, actor: str | None = None) -> Position:
        """The position of a command once it is durable; the same `command_id` gives the same position.

        Raises LogError when it could not be recorded: then it was not accepted.
        """
        known = self.log.position_of(command.command_id) if command.command_id else None
        if known is not None:
            return known
        if not command.command_id:
            command = msgspec.structs.replace(command, command_id=uuid.uuid4().hex)
        waiting = self._commands.get(command.command_id)
        if waiting is None:
            waiting = self._commands[command.command_id] = asyncio.get_running_loop().create_future()
            self.mailbox.post(Draft(command, actor=actor))
        return await asyncio.shield(waiting)

    # -- one turn ------------------------------------------------------------------------------

    def turn(self, seen: Sequence[Draft]) -> None:
        """See, think, record in one commit, act; the outcomes are what is seen next."""
        while seen := [*self._unrecorded, *map(self._with_cause, seen), *self._due(), *self._problems()]:
            at = max(self.clock.now(), self.state.at + 1)
            state, events = step(self.state, seen, at, self.policies)
            if not self._record(events, seen):
                return
            self.state = state
            self._publish(events)
            seen = [
                outcome
                for it in events
                if isinstance(it.event, Decision)
                for outcome in self._act(it.seq, it.event)
            ]  # fmt: skip

    def _with_cause(self, draft: Draft) -> Draft:
        """The end of a run that was asked to end is the outcome of that decision."""
        if draft.cause is None and isinstance(draft.event, RunExited):
            instance = self.state.services.instances.get(draft.event.instance)
            if instance and instance.run == draft.event.run and instance.stopped_by:
                return Draft(draft.event, instance.stopped_by, draft.actor, draft.seen)
        return draft

    def _due(self) -> list[Draft]:
        now = self.clock.now()
        return [
            Draft(DeadlineReached(key=key, due=deadline.due), deadline.decision)
            for key, deadline in self.state.deadlines.by_key.items()
            if deadline.due <= now
        ]

    def _wake_at(self) -> Micros | None:
        """When there is something to do; after a turn that could not be recorded, not before the next try."""
        due = self.state.deadlines.next_due()
        if due is None or self._unrecorded:
            return self._retry_at if self._unrecorded else None
        return max(due, self._retry_at)

    def _problems(self) -> list[Draft]:
        return [Draft(problem) for problem in self.log.take_problems()]

    def _act(self, seq: Position, decision: Decision) -> list[Draft]:
        effect = self.effects.get(type(decision))
        if effect is None:
            return []
        return [Draft(it.event, seq if it.cause is None else it.cause, it.actor) for it in effect(seq, decision)]

    # -- the record ----------------------------------------------------------------------------

    def _record(self, events: Sequence[Recorded], seen: Sequence[Draft]) -> bool:
        """Whether the turn is durable now; if not, what was seen is kept and commands are refused."""
        began = self.clock.now()
        try:
            self.log.append(events)
        except LogError as error:
            self._keep(seen, error)
            return False
        self._unrecorded = []
        took_seconds = (self.clock.now() - began) / 1_000_000
        if took_seconds > APPEND_LIMIT_SECONDS and began >= self._slow_again_at:
            self._slow_again_at = began + int(SLOW_REPORTED_EVERY_SECONDS * 1_000_000)
            self.mailbox.post(Draft(LogSlow(append_seconds=took_seconds, limit_seconds=APPEND_LIMIT_SECONDS)))
        return True

    def _keep(self, seen: Sequence[Draft], error: LogError) -> None:
        refused = [draft.event for draft in seen if isinstance(draft.event, CommandReceived)]
        for command in refused:
            waiting = self._commands.pop(command.command_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
        self._unrecorded = [
            draft for draft in seen if not isinstance(draft.event, CommandReceived | DeadlineReached)
        ]  # fmt: skip
        self._retry_at = self.clock.now() + int(RETRY_SECONDS * 1_000_000)
        if self.log.wants_rotation and self._close_the_books():
            self._retry_at = 0

    def _publish(self, events: Sequence[Recorded]) -> None:
        for it in events:
            if isinstance(it.event, CommandReceived):
                waiting = self._commands.pop(it.event.command_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(it.seq)
            elif isinstance(it.event, RunExited | RunAbandoned):
                self.processes.forget(it.event.run)
        for subscriber in self.subscribers:
            subscriber(self.state, events)
        if self.log.wants_rotation:
            self._close_the_books()

    def _close_the_books(self) -> bool:
        """Whether a new log file was begun; it may have to wait."""
        at = max(self.clock.now(), self.state.at + 1)
        try:
            opened = self.log.rotate(at, encode(self.state))
        except LogError:
            logger.exception("the books could not be closed")
            return False
        self.state = evolve(self.state, opened)
        for subscriber in self.subscribers:
            subscriber(self.state, [opened])
        return True
