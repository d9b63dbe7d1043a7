"""How many instances a service has, and what a changed file makes of what runs."""

from __future__ import annotations

import msgspec
import pytest

from events.catalog import (
    CommandReceived,
    ConfigurationLoaded,
    ConfigurationRefused,
    PortPool,
    ScaleDecided,
    Service,
    StartDecided,
    StopDecided,
)
from projections.changes import Step, plan
from tests.given import World, asked, declared, rules, service

replace = msgspec.structs.replace
WEB, JOB = service("web"), service("job")


def up(*services: Service) -> World:
    """Everything runs."""
    world = World(*services)
    world.when(asked("up"))
    return world


def scale(name: str, instances: int) -> CommandReceived:
    """Somebody asks for so many instances."""
    return CommandReceived(verb="scale", services=(name,), arguments={"instances": instances})


def reload(changed: bool = True) -> CommandReceived:
    """Somebody asks for a changed file to be applied."""
    return CommandReceived(verb="reload", arguments={"changed": changed})


# -- scale ---------------------------------------------------------------------------------------


def test_more_instances_start_at_once() -> None:
    """New ones are wanted as the others are; the first goes on."""
    world = up(WEB)
    assert rules(world.when(scale("web", 3))) == ["startup.wanted"] * 2
    assert world.states() == {"web.1": "running", "web.2": "running", "web.3": "running"}


def test_the_last_instances_go_first() -> None:
    """What is one too many ends and is forgotten; a start does not bring it back."""
    world = up(WEB)
    world.when(scale("web", 3))
    stops = world.when(scale("web", 1))
    assert [it.instance for it in stops if isinstance(it, StopDecided)] == ["web.2", "web.3"]
    world.exits("web.3", 0)
    assert world.when(asked("start", "web")) == []
    world.exits("web.2", 0)
    assert world.states() == {"web.1": "running"}


def test_one_that_is_ending_comes_back() -> None:
    """Whoever changes their mind gets it again, once it has ended."""
    world = up(WEB)
    world.when(scale("web", 2))
    world.when(scale("web", 1))
    assert world.when(scale("web", 2)) == []
    assert rules(world.exits("web.2", 0)) == ["startup.wanted"]


def test_what_is_stopped_is_only_prepared() -> None:
    """A number says nothing about whether it is to run."""
    world = World(WEB)
    assert world.when(scale("web", 2)) == []
    assert world.states() == {"web.1": "declared", "web.2": "declared"}
    assert rules(world.when(asked("up"))) == ["startup.wanted"] * 2
    assert world.when(scale("web", 2)) == []


def test_a_try_of_one_too_many_comes_to_nothing() -> None:
    """It waited for its next try when it was no longer needed."""
    world = up(WEB)
    world.when(scale("web", 2))
    world.exits("web.2")
    world.when(scale("web", 1))
    assert world.due("restart:web.2") == []
    assert world.states() == {"web.1": "running"}


def test_a_policy_can_decide_it_too() -> None:
    """A decision does what a command does; neither does anything to a service that is gone."""
    world = up(WEB)
    decided = ScaleDecided(rule="r", service="web", instances=2)
    assert rules(world.when(decided)) == ["r", "startup.wanted"]
    assert world.when(ScaleDecided(rule="r", service="gone", instances=2), scale("gone", 2))[1:] == []
    assert world.when(CommandReceived(verb="scale", services=("web",))) == []


def test_the_number_stands_until_the_file_says_another() -> None:
    """A change of something else keeps it, one of `instances` forgets it."""
    world = up(WEB)
    world.when(scale("web", 2))
    world.when(declared(replace(WEB, category="api")))
    assert sorted(world.states()) == ["web.1", "web.2"]
    world.when(declared(replace(WEB, category="api", replicas=3)))
    assert sorted(world.states()) == ["web.1", "web.2", "web.3"]
    assert world.state.services.scaled == {}
    world.when(scale("web", 4), declared(JOB))
    assert world.state.services.scaled == {}


# -- reload --------------------------------------------------------------------------------------


def planned(world: World, *services: Service) -> list[Step]:
    """What loading these would do."""
    return plan(world.state.services, declared(*services))


def loaded(world: World, *services: Service) -> list[str]:
    """What is really started and stopped once they are loaded, as somebody who reloads has it."""
    decided = world.when(declared(*services), reload())
    found = [f"{'start' if isinstance(it, StartDecided) else 'stop'} {it.instance}"
             for it in decided if isinstance(it, StartDecided | StopDecided)]  # fmt: skip
    return sorted(found)


def test_nothing_is_touched_where_nothing_changes() -> None:
    """The plan is empty."""
    world = up(WEB, JOB)
    assert planned(world, WEB, JOB) == []
    assert loaded(world, WEB, JOB) == []


def test_only_what_changed_is_touched() -> None:
    """One is new, one is gone, one has another command, one has another patience."""
    old, calm = service("old"), service("calm")
    world = up(WEB, JOB, old, calm)
    files = (
        replace(WEB, command=("web", "--fast"), stop_timeout_seconds=3.0), JOB, service("new"),
        service("later", autostart=False), replace(calm, stop_timeout_seconds=3.0),
    )  # fmt: skip
    assert planned(world, *files) == [
        Step("old", "stop", "nexus.toml no longer has it"),
        Step("web", "restart", "its command changed", ("command", "stop_timeout")),
        Step("new", "start", "it is new"),
        Step("later", "declare", "it is new, and not started by itself"),
        Step("calm", "update", "its stop_timeout changed: applied without a restart", ("stop_timeout",)),
    ]
    assert loaded(world, *files) == ["start new.1", "stop old.1", "stop web.1"]
    assert world.states()["later.1"] == "declared"


def test_what_is_stopped_stays_stopped() -> None:
    """A reload starts what is new, not what somebody stopped or never asked for."""
    other = service("other")
    world = World(WEB, JOB, other)
    world.when(asked("start", "job"))
    world.when(asked("stop", "job"))
    world.exits("job.1", 0)
    faster = replace(JOB, command=("job", "-f"))
    assert planned(world, faster, other) == [
        Step("web", "forget", "nexus.toml no longer has it"),
        Step("job", "update", "its command changed: applied at its next start", ("command",)),
    ]
    assert loaded(world, faster, other) == []
    assert world.states() == {"job.1": "stopped", "other.1": "declared"}


def test_a_reload_of_what_is_known_starts_nothing() -> None:
    """New is only what this reload has read."""
    world = World(WEB)
    assert world.when(reload(changed=False)) == []
    assert world.states() == {"web.1": "declared"}


def test_another_number_of_instances() -> None:
    """They are named; the others go on."""
    world = up(WEB)
    assert planned(world, replace(WEB, replicas=3)) == [
        Step("web", "update", "its instances changed: applied without a restart", ("instances",)),
        Step("web", "start", "web.2, web.3: 3 instances instead of 1"),
    ]
    assert loaded(world, replace(WEB, replicas=3)) == ["start web.2", "start web.3"]
    assert planned(world, WEB)[1] == Step("web", "stop", "web.2, web.3: 1 instances instead of 3")
    assert loaded(world, WEB) == ["stop web.2", "stop web.3"]


@pytest.mark.parametrize(("was", "steps"), [("", 0), ("a", 1)])
def test_hidden_values(was: str, steps: int) -> None:
    """A changed digest is a changed environment; what an older Nexus recorded has none."""
    world = up(replace(WEB, digest=was))
    found = planned(world, replace(WEB, digest="b"))
    assert [(it.action, it.why) for it in found] == [
        ("restart", "its environment (its values) changed")
    ][:steps]  # fmt: skip
    assert loaded(world, replace(WEB, digest="b")) == ["stop web.1"][:steps]


def test_a_key_of_two_fields_is_named_once() -> None:
    """How many run and how many may run are both `instances`."""
    world = up(WEB)
    assert planned(world, replace(WEB, replicas=2, replicas_max=4))[0].keys == ("instances",)


def test_several_keys_in_words() -> None:
    """They are joined as people do."""
    world = up(WEB)
    other = replace(WEB, command=("x",), user="me", directory="d")
    assert planned(world, other)[0].why == "its command, directory and user changed"


def test_what_comes_back_while_it_still_ends_is_replaced() -> None:
    """Its former run knows nothing of the new declaration."""
    world = up(WEB, JOB)
    world.when(declared(WEB))
    world.when(declared(WEB, JOB), asked("start", "job"))
    assert world.instance("job.1").bounce == "nexus.toml has it again"


def test_a_file_that_cannot_be_used_is_remembered_until_one_can() -> None:
    """Who looks is told what is wrong."""
    world = up(WEB)
    world.when(ConfigurationRefused(problem="nexus.toml:3: no"))
    assert world.state.supervisor.refused == "nexus.toml:3: no"
    world.when(ConfigurationLoaded(project="p", services={"web": WEB}, pool=PortPool()))
    assert world.state.supervisor.refused == ""
    world.when(ConfigurationRefused(problem="nexus.toml:3: no"))
    world.when(reload(changed=False))
    assert world.state.supervisor.refused == ""


# -- profiles ------------------------------------------------------------------------------------


def test_a_service_with_profiles_starts_with_one_of_them() -> None:
    """The profiles of the last `nexus up` that named some stand."""
    debug = replace(service("debug"), profiles=("dev", "test"))
    world = World(WEB, debug)
    world.when(asked("up"))
    assert world.states() == {"web.1": "running", "debug.1": "declared"}
    world.when(CommandReceived(verb="up", arguments={"profiles": "dev"}))
    assert world.states() == {"web.1": "running", "debug.1": "running"}
    world.when(asked("stop", "debug"))
    world.exits("debug.1", 0)
    world.when(asked("up"))
    assert world.states()["debug.1"] == "running"
    other = replace(service("other"), profiles=("prod",))
    more = replace(service("more"), profiles=("test", "dev"))
    assert [(it.service, it.action, it.why) for it in planned(world, WEB, debug, other, more)] == [
        ("other", "declare", "it is new, and only for the profile prod"), ("more", "start", "it is new"),
    ]  # fmt: skip
    assert loaded(world, WEB, debug, other, more) == ["start more.1"]
