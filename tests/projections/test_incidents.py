"""Stretches of the history with a name."""

from __future__ import annotations

from events.catalog import CommandReceived, Value, Verb
from projections.incidents import KEPT
from projections.story import sentence
from tests.given import World, asked, service


def marked(name: str, first: int = 2, last: int = 3, verb: Verb = "mark") -> CommandReceived:
    """Somebody marks a stretch."""
    arguments: dict[str, Value] = {"incident": name}
    if verb == "mark":
        arguments |= {"first": first, "last": last}
    return CommandReceived(verb=verb, arguments=arguments)


def test_a_mark_is_kept_replaced_and_let_go() -> None:
    """Marking again under the same name moves the mark to the end; nothing is decided by it."""
    world = World(service("web"))
    world.when(asked("up"))
    before = len(world.history)
    for event in (marked("outage"), marked("slow", 3, 3), marked("outage", 2, 4)):
        world.when(event)
    assert [(it.name, it.first, it.last) for it in world.state.incidents.by_name.values()] == [
        ("slow", 3, 3), ("outage", 2, 4),
    ]  # fmt: skip
    world.when(marked("slow", verb="unmark"))
    assert list(world.state.incidents.by_name) == ["outage"]
    assert len(world.history) == before + 4, "a mark changes no service"


def test_only_the_latest_marks_are_kept() -> None:
    """The state stays small; the history has every mark."""
    world = World()
    for number in range(KEPT + 5):
        world.when(marked(f"it-{number}"))
    assert len(world.state.incidents.by_name) == KEPT
    assert "it-5" in world.state.incidents.by_name
    assert "it-4" not in world.state.incidents.by_name


def test_a_mark_in_words() -> None:
    """As it stands in the history."""
    assert sentence(marked("outage", 2, 9)) == "somebody asked for events 2 to 9 to be marked as outage"
    assert sentence(marked("outage", verb="unmark")) == "somebody asked for the mark outage to go"
