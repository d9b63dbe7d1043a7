"""Asking the supervisor of a home."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from events.catalog import CommandReceived
from events.envelope import Position
from events.reader import Reader
from nexus.cli.problems import ProblemError
from nexus.platforms.control import ControlError, NoSupervisorError, request
from projections.changes import Plan

PING_SECONDS = 2.0
ANSWER_SECONDS = 30.0


class Refused(msgspec.Struct, frozen=True):
    """Why nothing was done, and what to do instead."""

    problem: str
    next_step: str = ""


class Answer(msgspec.Struct, frozen=True):
    """The position of a command's event, or who runs here, or what a reload would do, or why not."""

    seq: Position | None = None
    pid: int | None = None
    plan: Plan | None = None
    error: Refused | None = None


def running_pid(home: Path) -> int | None:
    """The pid of the supervisor that answers in this home, None where none does."""
    try:
        return _ask(home, {"verb": "ping"}, PING_SECONDS).pid
    except (NoSupervisorError, FileNotFoundError):
        return None
    except ControlError as error:
        raise ProblemError(str(error), next_step="look at supervisor.log in the home", kind="no-answer") from error


def is_alive(home: Path) -> bool:
    """Whether a supervisor answers in this home."""
    try:
        return running_pid(home) is not None
    except ProblemError:
        return False


def ask_plan(home: Path) -> Plan:
    """What a reload would do now; raises ProblemError where the file can't be used or nobody answers."""
    answer = _ask(home, {"verb": "plan"}, ANSWER_SECONDS)
    if answer.plan is None:
        refused = answer.error or Refused("the supervisor gave no plan")
        raise ProblemError(refused.problem, next_step=refused.next_step, kind="refused")
    return answer.plan


def submit(
    home: Path, verb: str, services: Sequence[str] = (), arguments: Mapping[str, str | int | float] | None = None
) -> Position:
    """Ask for something: the position of the recorded command; raises ProblemError where it was refused."""
    command_id = str(uuid.uuid4())
    payload: dict[str, object] = {"verb": verb, "services": list(services), "command_id": command_id}
    if arguments:
        payload["arguments"] = dict(arguments)
    try:
        answer = _ask(home, payload, ANSWER_SECONDS)
    except ControlError as error:
        if recorded := _recorded(home, command_id):
            return recorded
        raise ProblemError(
            f"{verb} was not confirmed: {error}", next_step=f"see {home / 'supervisor.log'}", kind="no-answer"
        ) from error
    if answer.error is not None or answer.seq is None:
        refused = answer.error or Refused("the supervisor gave no position")
        raise ProblemError(refused.problem, next_step=refused.next_step, kind="refused")
    return answer.seq


def _recorded(home: Path, command_id: str) -> Position | None:
    """Where a command was recorded whose answer was lost, as when the supervisor ended because of it."""
    kinds = [CommandReceived.kind()]
    with Reader(home) as reader:
        return next((it.seq for it in reader.rows(kinds=kinds, search=command_id, newest_first=True)), None)


def _ask(home: Path, payload: dict[str, object], timeout_seconds: float) -> Answer:
    answers = request(home, msgspec.json.encode(payload), timeout_seconds)
    return [msgspec.json.decode(answer, type=Answer) for answer in answers][-1]
