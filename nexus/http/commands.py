"""What may be asked for: commands go to the supervisor, and are known by the position of their event."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from events.catalog import Value
from events.envelope import Micros, Position
from nexus.http import queries, shown
from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.queries import OfService
from nexus.http.security import Caller
from nexus.http.tail import Tail
from nexus.platforms.control import ControlError, NoSupervisorError, request
from nexus.sensors.operator import INSTANCES_MAX, Answer
from projections import views
from projections.changes import Plan
from projections.conditions import instances_of, unmet
from projections.moments import micros
from projections.services import Instance
from projections.state import State

WAIT_SECONDS_MAX = 120.0
ANSWER_SECONDS = 10.0
KEY_LENGTH_MAX = 100
STEADY_SECONDS = 1.0
ServiceVerb = Literal["start", "stop", "restart", "pause", "resume", "scale", "signal"]
EMPTY: Mapping[str, Value] = {}


class CommandQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long to wait for what comes of it."""

    wait: Annotated[
        float, msgspec.Meta(ge=0, le=WAIT_SECONDS_MAX, description="Seconds to wait for the outcome, at most.")
    ] = 0.0


class InstancesWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many instances a service is to have."""

    instances: Annotated[int, msgspec.Meta(ge=1, le=INSTANCES_MAX)]


class RestartQuery(CommandQuery, frozen=True, forbid_unknown_fields=True):
    """How long to wait, and whether one instance is replaced after the other."""

    rolling: bool = False


class SignalWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signal such as HUP; null is the service's `reload_signal`."""

    signal: Literal["HUP", "USR1", "USR2", "INT", "QUIT", "TERM", "WINCH", "TTIN", "TTOU"] | None = None


def _arguments(state: State, name: str, asked: Asked[OfService, Any]) -> Mapping[str, Value]:
    if isinstance(asked.body, InstancesWanted):
        return {"instances": asked.body.instances}
    if isinstance(asked.body, SignalWanted):
        return {"signal": asked.body.signal or state.services.declared[name].reload_signal}
    return {"rolling": True} if isinstance(asked.query, RestartQuery) and asked.query.rolling else EMPTY


async def command(
    verb: ServiceVerb,
    tail: Tail,
    caller: Caller,
    key: str,
    asked: Asked[OfService, CommandQuery],
) -> shown.Accepted:
    """Record a command for one service under the caller's `key`; the same key gives the same position.

    Raises Problem 404 or 503.
    """
    name = asked.place.service
    await tail.sync()
    if not queries.is_shown(tail.state, name):
        raise queries.no_such_service(tail.state, name)
    arguments = _arguments(tail.state, name, asked)
    seq = await submit(tail, caller, key, verb, services=(name,), arguments=arguments)
    if not asked.query.wait:
        return shown.Accepted(seq, None)

    def over(state: State) -> bool:
        return state.seq >= seq and settled(state, name, now_micros())

    done = await tail.wait_for(over, asked.query.wait)
    found = views.status(tail.state, tail.state.at, tail.alive).services[name]
    return shown.Accepted(seq, shown.Outcome(done, found.state, found.health, found.why))


async def plan(tail: Tail, _: Caller, __: str, ___: Asked[Nothing, Nothing]) -> Plan:
    """What a reload would do; raises Problem 409 or 503."""
    return msgspec.convert((await _ask(tail, "plan", {"verb": "plan"})).plan, Plan)


async def reload(tail: Tail, caller: Caller, key: str, _: Asked[Nothing, Nothing]) -> shown.Reloaded:
    """What was done as event `seq`; raises Problem 409 where the file can't be used, or 503."""
    planned = msgspec.convert((await _ask(tail, "plan", {"verb": "plan"})).plan, Plan)
    return shown.Reloaded(await submit(tail, caller, key, "reload"), planned)


async def submit(
    tail: Tail,
    caller: Caller,
    key: str,
    verb: str,
    services: Sequence[str] = (),
    arguments: Mapping[str, Value] = EMPTY,
) -> Position:
    """The position of the command's event; raises Problem 409 where it was refused, 503 where it was not recorded."""
    answer = await _ask(tail, verb, {
        "verb": verb, "services": services, "command_id": key or str(uuid.uuid4()), "actor": caller.name,
        "arguments": arguments,
    })  # fmt: skip
    assert answer.seq is not None, "a command that is not refused has a position"
    return answer.seq


async def _ask(tail: Tail, verb: str, payload: Mapping[str, Any]) -> Answer:
    """What the supervisor answers; raises Problem."""
    data = msgspec.json.encode(payload)
    try:
        lines = await asyncio.to_thread(lambda: list(request(tail.home, data, ANSWER_SECONDS)))
    except NoSupervisorError as error:
        raise Problem(
            503, f"the command {verb}", "a running supervisor", "none", str(error), {"Retry-After": "5"}
        ) from error
    except ControlError as error:
        raise Problem(
            503, f"the command {verb}", "an answer of the supervisor", str(error),
            "Ask again with the same Idempotency-Key: it is carried out once.", {"Retry-After": "2"},
        ) from error  # fmt: skip
    answer = msgspec.json.decode(lines[0], type=Answer) if lines else Answer()
    if answer.error and answer.error.conflict:
        raise Problem(409, f"the command {verb}", "what can be done", answer.error.problem, answer.error.next_step)
    if answer.seq is None and answer.plan is None:
        problem, advice = (answer.error.problem, answer.error.next_step) if answer.error else ("nothing", "Ask again.")
        raise Problem(503, f"the command {verb}", "the position of its event", problem, advice, {"Retry-After": "5"})
    return answer


def now_micros() -> Micros:
    """The present moment in µs UTC."""
    return micros(datetime.now(UTC))


def settled(state: State, service: str, now: Micros) -> bool:
    """Whether nothing will change by itself for a service: it is where it is wanted, given up, or waits for another.

    One without a check is believed to run once it has run for `STEADY_SECONDS`.
    """
    return all(_settled(state, instance, now) for instance in instances_of(state, service))


def _settled(state: State, instance: Instance, now: Micros) -> bool:
    if not instance.wanted:
        return not instance.run
    if instance.bounce or instance.rolling or instance.signal or (instance.state == "running" and instance.paused):
        return False
    if instance.state == "waiting":
        return any(settled(state, name, now) for name, _ in unmet(state, instance))
    if instance.state == "running":
        declared = state.services.declared.get(instance.service)
        checked = declared is not None and declared.probe is not None
        return checked or now - instance.ready_at >= STEADY_SECONDS * 1_000_000
    return instance.state in ("completed", "failed", "paused")
