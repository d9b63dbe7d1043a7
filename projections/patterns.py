"""Patterns: when services and other programs start, which ports they take together, and when they are at work."""

from __future__ import annotations

import msgspec

from events.catalog import (
    ConfigurationLoaded,
    DeadlineReached,
    PortClosed,
    PortOpened,
    ProbePassed,
    RunAbandoned,
    RunEvent,
    RunExited,
    RunRefused,
    RunStarted,
    StartDecided,
    SupervisorStarted,
)
from events.envelope import Micros, Position, Recorded
from projections.deadlines import PATTERN_REVIEW
from projections.fold import Fold
from projections.ports import endpoint
from projections.recurrence import DAY_MINUTES
from projections.series import Series, at_minute, started
from projections.zone import Zone

replace = msgspec.structs.replace
MINUTE: Micros = 60_000_000
QUARTER_MINUTES = 15
TOGETHER_SECONDS = 60
"""Ports that one program opens within that time belong together."""

QUIET_SECONDS = 60
"""What is open when a supervisor begins to look did not just start."""

BOUNCE_SECONDS = 60
"""A service that ended so recently was replaced: that is no start."""

PORT_FORGOTTEN_STARTS = 5
PROGRAMS_MAX = 64
DAYS_SHOWN = 21
INTERNAL = "internal"


class Pattern(msgspec.Struct, frozen=True, omit_defaults=True):
    """The habits of a service or of a program.

    `ports` of a program: the start at which each was last taken. `alive` are its runs or open ports, with the moment at
    which each began; `began` is its last start, `next_run` one that was decided and counts as a start once it exists.
    `changed` is that of its last start, `busy` has the quarters of an hour of
    each local day in which it was at work, as bits.
    """

    series: Series = Series()
    command: str = ""
    ports: dict[int, int] = {}
    alive: dict[str, Micros] = {}
    began: Micros = 0
    ended: Micros = 0
    next_run: Position = 0
    busy: dict[int, str] = {}
    ready_seconds: float = 0.0
    changed: Position = 0


class Patterns(msgspec.Struct, frozen=True):
    """Patterns by name: `service/web`, `program/python3:8000`; services that are part of Nexus have none.

    `looked` is the last event at which what is due may have changed without a start, `reviewed` the moment for which
    that was planned.
    """

    by_name: dict[str, Pattern] = {}
    zone: Zone = Zone()
    quiet_until: Micros = 0
    looked: Position = 0
    reviewed: Micros = 0
    internal: tuple[str, ...] = ()


fold: Fold[Patterns] = Fold()


def _with(patterns: Patterns, name: str, pattern: Pattern) -> Patterns:
    return replace(patterns, by_name={**patterns.by_name, name: pattern})


def is_program(name: str) -> bool:
    """Whether a pattern is that of a program that is none of our services."""
    return name.startswith("program/")


def title(name: str, pattern: Pattern) -> str:
    """Who it is, in words: `synthesis`, `python3 on 8000–8003`."""
    if not is_program(name):
        return name.removeprefix("service/")
    return f"{pattern.command or 'a process'} on {ports_in_words(pattern.ports)}"


def ports_in_words(ports: dict[int, int]) -> str:
    """`8000–8003, 8080`: neighbours are drawn together."""
    runs: list[list[int]] = []
    for port in sorted(ports):
        if runs and port == runs[-1][-1] + 1:
            runs[-1].append(port)
        else:
            runs.append([port])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


# -- what is watched -------------------------------------------------------------------------------


@fold.on(SupervisorStarted)
def _took_over(patterns: Patterns, it: Recorded, event: SupervisorStarted) -> Patterns:
    zone = Zone(event.zone or "UTC", event.utc_offsets)
    return replace(patterns, zone=zone, quiet_until=it.at + QUIET_SECONDS * 1_000_000, looked=it.seq)


@fold.on(ConfigurationLoaded)
def _loaded(patterns: Patterns, _: Recorded, event: ConfigurationLoaded) -> Patterns:
    internal = tuple(name for name, service in event.services.items() if service.category == INTERNAL)
    kept = {
        name: pattern
        for name, pattern in patterns.by_name.items()
        if not name.startswith("service/") or name.removeprefix("service/") in event.services
    }
    return replace(patterns, by_name=kept, internal=internal)


@fold.on(DeadlineReached)
def _looked_at(patterns: Patterns, it: Recorded, event: DeadlineReached) -> Patterns:
    if event.key != PATTERN_REVIEW:
        return patterns
    offset = patterns.zone.offset_minutes(it.at)
    by_name = {
        name: replace(pattern, series=at_minute(pattern.series, max(it.at, event.due) // MINUTE, offset))
        for name, pattern in patterns.by_name.items()
    }
    return replace(patterns, by_name=by_name, looked=it.seq, reviewed=event.due)


def _began(patterns: Patterns, it: Recorded, name: str, pattern: Pattern) -> Patterns:
    """Something started: the series learns it."""
    series = started(pattern.series, it.at // MINUTE, patterns.zone.offset_minutes(it.at))
    return _with(patterns, name, replace(pattern, series=series, began=it.at, changed=it.seq))


# -- services --------------------------------------------------------------------------------------


@fold.on(StartDecided)
def _decided(patterns: Patterns, it: Recorded, event: StartDecided) -> Patterns:
    """Neither a further try nor a replacement is a start."""
    if event.service in patterns.internal:
        return patterns
    name = f"service/{event.service}"
    pattern = patterns.by_name.get(name, Pattern(changed=it.seq))
    replaced = pattern.ended and it.at - pattern.ended < BOUNCE_SECONDS * 1_000_000
    again = event.attempt > 0 or pattern.alive or replaced
    return patterns if again else _with(patterns, name, replace(pattern, next_run=it.seq))


@fold.on(RunStarted)
def _started(patterns: Patterns, it: Recorded, event: RunStarted) -> Patterns:
    name = f"service/{event.service}"
    if event.service in patterns.internal or name not in patterns.by_name:
        return patterns
    pattern = patterns.by_name[name]
    fresh = pattern.next_run == event.run
    pattern = replace(pattern, alive={**pattern.alive, str(event.run): it.at}, next_run=0)
    return _began(patterns, it, name, pattern) if fresh else _with(patterns, name, pattern)


@fold.on(ProbePassed)
def _ready(patterns: Patterns, it: Recorded, event: ProbePassed) -> Patterns:
    """How long it takes to get ready: what starting ahead would save; recent times weigh more."""
    name = f"service/{event.service}"
    pattern = patterns.by_name.get(name)
    if pattern is None or pattern.alive.get(str(event.run)) != pattern.began or it.cause != event.run:
        return patterns
    took = (it.at - pattern.began) / 1e6
    learned = 0.7 * pattern.ready_seconds + 0.3 * took if pattern.ready_seconds else took
    return _with(patterns, name, replace(pattern, ready_seconds=round(learned, 3)))


@fold.on(RunExited, RunAbandoned, RunRefused)
def _run_ended(patterns: Patterns, it: Recorded, event: RunEvent) -> Patterns:
    name = f"service/{event.service}"
    pattern = patterns.by_name.get(name)
    return _with(patterns, name, _rests(patterns, it, pattern, str(event.run))) if pattern else patterns


def _rests(patterns: Patterns, it: Recorded, pattern: Pattern, what: str) -> Pattern:
    """One of its runs or ports is gone."""
    since = pattern.alive.get(what)
    if since is None:
        return pattern
    alive = {key: at for key, at in pattern.alive.items() if key != what}
    busy = with_busy(pattern.busy, since, it.at, patterns.zone)
    return replace(pattern, alive=alive, ended=it.at, busy=busy)


def with_busy(busy: dict[int, str], since: Micros, until: Micros, zone: Zone) -> dict[int, str]:
    """The quarters of an hour from `since` to `until` added, the oldest days forgotten."""
    masks = {day: int(mask, 16) for day, mask in busy.items()}
    oldest = until // MINUTE - DAYS_SHOWN * DAY_MINUTES
    offset = zone.offset_minutes(until)
    first, last = max(since // MINUTE, oldest) + offset, until // MINUTE + offset
    for quarter in range(first // QUARTER_MINUTES, last // QUARTER_MINUTES + 1):
        day, bit = divmod(quarter, DAY_MINUTES // QUARTER_MINUTES)
        masks[day] = masks.get(day, 0) | 1 << bit
    newest = max(masks)
    return {day: f"{mask:x}" for day, mask in sorted(masks.items()) if newest - day < DAYS_SHOWN}


# -- other programs --------------------------------------------------------------------------------


@fold.on(PortOpened)
def _opened(patterns: Patterns, it: Recorded, event: PortOpened) -> Patterns:
    if event.instance or event.protocol != "tcp" or it.at < patterns.quiet_until:
        return patterns
    command = next((owner.command for owner in event.owners if owner.command), "")
    name = _whose(patterns, it.at, command, event.port)
    pattern = patterns.by_name.get(name, Pattern(command=command))
    count = pattern.series.count
    joins = count and it.at - pattern.began <= TOGETHER_SECONDS * 1_000_000
    ports = {port: seen for port, seen in pattern.ports.items() if count - seen < PORT_FORGOTTEN_STARTS}
    alive = {**pattern.alive, endpoint(event.protocol, event.address, event.port): it.at}
    pattern = replace(pattern, ports={**ports, event.port: count if joins else count + 1}, alive=alive)
    patterns = _with(patterns, name, pattern) if joins else _began(patterns, it, name, pattern)
    return _bounded(patterns)


def _whose(patterns: Patterns, at: Micros, command: str, port: int) -> str:
    """The pattern that a port belongs to: the one that knows it, else the program's that is starting just now."""
    mine = [(name, it) for name, it in patterns.by_name.items() if is_program(name) and it.command == command]
    knows = next((name for name, it in mine if port in it.ports), "")
    starting = (name for name, it in mine if at - it.began <= TOGETHER_SECONDS * 1_000_000)
    return knows or next(starting, f"program/{command}:{port}")


def _bounded(patterns: Patterns) -> Patterns:
    """Of too many programs, the one that started least often is forgotten."""
    programs = [(it.series.count, it.began, name) for name, it in patterns.by_name.items() if is_program(name)]
    if len(programs) <= PROGRAMS_MAX:
        return patterns
    _, _, least = min(programs)
    return replace(patterns, by_name={name: it for name, it in patterns.by_name.items() if name != least})


@fold.on(PortClosed)
def _closed(patterns: Patterns, it: Recorded, event: PortClosed) -> Patterns:
    what = endpoint(event.protocol, event.address, event.port)
    for name, pattern in patterns.by_name.items():
        if what in pattern.alive:
            return _with(patterns, name, _rests(patterns, it, pattern, what))
    return patterns
