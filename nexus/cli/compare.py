"""What today's policies would have decided: `nexus replay --check`, with other settings too."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import msgspec

from events.envelope import Position, Recorded
from nexus.cli import output
from nexus.cli.output import paint, say
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.policies.check import Check, check
from projections import story
from projections.state import State


class Shown(msgspec.Struct, frozen=True):
    """A decision that would differ; null where there was none, or would be none."""

    seq: Position
    recorded: dict[str, Any] | None
    now: dict[str, Any] | None


class _Answer(msgspec.Struct):
    differences: list[Shown]


def compare(session: Session, settings: list[str], start: str, end: str, alone: bool) -> int:
    """Say which decisions would differ; returns the exit code.

    Unless `alone`, another process with another hash seed does the same: a decision must not hang on the order of sets.
    """
    if alone:
        checked, found = _compared(session, settings, start, end)
        elsewhere: list[Shown] = []
    else:
        with _other_seed(session, settings, start, end) as other:
            checked, found = _compared(session, settings, start, end)
            elsewhere = [it for it in _answer(other) if it not in found]
    if session.json:
        output.emit({"checked": checked, "differences": [*found, *elsewhere]})
        return 1 if found or elsewhere else 0
    for it in found:
        _show(it)
    for it in elsewhere:
        say(paint("only under another hash seed:", "yellow"))
        _show(it)
    count = len(found) + len(elsewhere)
    word = paint(f"{count} would differ", "yellow") if count else paint("none would differ", "green")
    say(f"{checked} decisions checked: {word}")
    return 1 if count else 0


def _compared(session: Session, settings: list[str], start: str, end: str) -> tuple[int, list[Shown]]:
    """How many decisions were compared, and which differ."""
    try:
        checked = _check(session, _overrides(settings), start, end)
        found = [Shown(it.seq, _decision(it.recorded), _decision(it.now)) for it in checked]
        found = msgspec.json.decode(msgspec.json.encode(found), type=list[Shown])
    except ValueError as error:
        raise ProblemError(str(error), kind="bad-setting") from error
    return checked.checked, found


def _other_seed(session: Session, settings: list[str], start: str, end: str) -> subprocess.Popen[bytes]:
    """The same question to a process with another hash seed."""
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    options = [f"--set={it}" for it in settings] + [f"--from={start}"] * bool(start) + [f"--to={end}"] * bool(end)
    command = [
        sys.executable,
        "-m",
        "nexus.main",
        "--home",
        str(session.home),
        "replay",
        "--check",
        "--alone",
        "--json",
    ]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.Popen(
        [*command, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )  # fmt: skip


def _answer(process: subprocess.Popen[bytes]) -> list[Shown]:
    answer, _ = process.communicate()
    try:
        return msgspec.json.decode(answer, type=_Answer).differences
    except msgspec.DecodeError:
        raise ProblemError(
            "the check under another hash seed came to no end", next_step="see PYTHONHASHSEED=1 nexus replay --check"
        ) from None


def _overrides(settings: list[str]) -> dict[str, str]:
    found = dict(setting.partition("=")[::2] for setting in settings)
    if wrong := next((setting for setting in settings if "=" not in setting), None):
        raise ProblemError("a setting has no value", expected="KEY=VALUE, such as restart.attempts_max=5", found=wrong)
    return found


def _check(session: Session, overrides: dict[str, str], start: str, end: str) -> Check:
    reader = session.history.reader
    until = session.position(end) if end else None
    if not start and session.bundle is None:
        return check(reader.read(until=until), overrides=overrides)
    begun = reader.get(session.start(start) if start else session.first)
    first = reader.seq_at(begun.at - 1) + 1 if begun else session.head + 1
    state = session.history.at(first - 1) if first > 1 else State()
    return check(reader.read(after=first - 1, until=until), overrides=overrides, state=state)


def _decision(recorded: Recorded | None) -> dict[str, Any] | None:
    if recorded is None:
        return None
    event: dict[str, Any] = msgspec.to_builtins(recorded.event)
    return {"id": recorded.seq, "cause": recorded.cause, "summary": story.sentence(recorded.event), **event}


def _show(difference: Shown) -> None:
    say(f"#{difference.seq}")
    for name, decision in (("then", difference.recorded), ("now", difference.now)):
        say(f"  {name + ':':<6}{_told(decision)}")


def _told(decision: dict[str, Any] | None) -> str:
    return f"{decision['summary']} ({decision['rule']}, after #{decision['cause']})" if decision else "nothing"
