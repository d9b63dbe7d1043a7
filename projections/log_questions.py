"""Questions to the log that the command line and the web API answer alike, up to a position."""

from __future__ import annotations

from events.catalog import Decision, RunExited
from events.codec import KINDS
from events.envelope import Position, Recorded
from events.reader import Reader
from projections.explanation import Explanation, explanation

DECISION_KINDS = frozenset(kind for kind, event in KINDS.items() if issubclass(event, Decision))


def outcome(reader: Reader, decision: Position, until: Position | None) -> Position | None:
    """The first observation that a decision caused; None where there is none."""
    effects = (it for it in reader.caused_by(decision) if until is None or it.seq <= until)
    return next((it.seq for it in effects if it.kind not in DECISION_KINDS), None)


def explain(reader: Reader, event: Position, until: Position) -> Explanation | None:
    """Why an event happened, up to the root, and what came of it by then; None where there is no such event."""

    def get(seq: Position) -> Recorded | None:
        stored = reader.get(seq) if seq <= until else None
        return stored.recorded if stored else None

    def caused_by(seq: Position) -> list[Recorded]:
        return [stored.recorded for stored in reader.caused_by(seq) if stored.seq <= until]

    def end_of(run: Position) -> Recorded | None:
        started = get(run)
        streams = [started.event.stream] if started else []
        ends = reader.rows(run, until, kinds=[RunExited.kind()], streams=streams)
        return next((end.recorded for end in ends if getattr(end.event, "run", None) == run), None)

    return explanation(event, get, caused_by, end_of)
