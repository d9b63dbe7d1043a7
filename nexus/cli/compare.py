"""What today's policies would have decided: `nexus replay --check`, with other settings too."""

from __future__ import annotations

from typing import Any

import msgspec

from events.catalog import Decision
from events.envelope import Position, Recorded
from nexus.cli import output
from nexus.cli.output import paint, say
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.policies.check import Check, Difference, check
from projections import story
from projections.state import State


class Shown(msgspec.Struct, frozen=True):
    """A decision that would differ; null where there was none, or would be none."""

    seq: Position
    recorded: dict[str, Any] | None
    now: dict[str, Any] | None


def compare(session: Session, settings: list[str], start: str, end: str) -> int:
    """Say which decisions would differ; returns the exit code."""
    found: list[Difference] = []
    try:
        checked = _check(session, _overrides(settings), start, end)
        for difference in checked:
            found.append(difference)
            if not session.json:
                _show(difference)
    except ValueError as error:
        raise ProblemError(str(error), kind="bad-setting") from error
    if session.json:
        differences = [Shown(it.seq, _decision(it.recorded), _decision(it.now)) for it in found]
        output.emit({"checked": checked.checked, "differences": differences})
    else:
        word = paint("none would differ", "green") if not found else paint(f"{len(found)} would differ", "yellow")
        say(f"{checked.checked} decisions checked: {word}")
    return 1 if found else 0


def _overrides(settings: list[str]) -> dict[str, str]:
    found = dict(setting.partition("=")[::2] for setting in settings)
    if wrong := next((setting for setting in settings if "=" not in setting), None):
        raise ProblemError("a setting has no value", expected="KEY=VALUE, such as restart.attempts_max=5", found=wrong)
    return found


def _check(session: Session, overrides: dict[str, str], start: str, end: str) -> Check:
    reader = session.history.reader
    until = session.position(end) if end else None
    if not start:
        return check(reader.read(until=until), overrides=overrides)
    begun = reader.get(session.start(start))
    first = reader.seq_at(begun.at - 1) + 1 if begun else session.head + 1
    state = session.history.at(first - 1) if first > 1 else State()
    return check(reader.read(after=first - 1, until=until), overrides=overrides, state=state)


def _decision(recorded: Recorded | None) -> dict[str, Any] | None:
    if recorded is None:
        return None
    event: dict[str, Any] = msgspec.to_builtins(recorded.event)
    return {"id": recorded.seq, "cause": recorded.cause, "summary": story.sentence(recorded.event), **event}


def _show(difference: Difference) -> None:
    say(f"#{difference.seq}")
    for name, recorded in (("then", difference.recorded), ("now", difference.now)):
        say(f"  {name + ':':<6}{_told(recorded)}")


def _told(recorded: Recorded | None) -> str:
    if recorded is None:
        return "nothing"
    event = recorded.event
    assert isinstance(event, Decision)
    return f"{story.sentence(event)} ({event.rule}, after #{recorded.cause})"
