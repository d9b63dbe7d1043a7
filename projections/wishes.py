"""What is wanted of each service: what is declared, and what people ask for."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events.catalog import CommandReceived, ConfigurationLoaded, ScaleDecided
from events.envelope import Recorded
from projections import services as runs
from projections.changes import changed_keys, kept_scales
from projections.dependencies import with_needs
from projections.services import Instance, InstanceState, Rollout, Services, declared_names

replace = msgspec.structs.replace
fold = runs.fold


@fold.on(ConfigurationLoaded)
def _loaded(services: Services, it: Recorded, event: ConfigurationLoaded) -> Services:
    new = tuple(name for name in event.services if name not in services.declared)
    after = replace(services, declared=event.services, scaled=kept_scales(services, event), new=new)
    instances: dict[str, Instance] = {}
    for service in event.services.values():
        known = services.declared.get(service.name)
        renewing = changed_keys(known, service)[0] if known else []
        for instance in _instances(after, it, service.name):
            if instance.run and (known is None or renewing):
                why = f"nexus.toml changed its {', '.join(renewing)}" if known else "nexus.toml has it again"
                instance = replace(instance, bounce=why, changed=it.seq)
            instances[instance.name] = instance
    for name, instance in services.instances.items():
        if name not in instances and instance.run:
            instances[name] = replace(instance, wanted=False, changed=it.seq)
    return replace(after, instances=instances)


def _instances(services: Services, it: Recorded, service: str) -> Iterator[Instance]:
    """The instances that a service is to have; a new one is wanted where another one is that is known."""
    names = declared_names(services, service)
    wanted = any(known.wanted for known in services.instances.values() if known.service == service)
    for name in names:
        known = services.instances.get(name)
        if known is None:
            state: InstanceState = "waiting" if wanted else "declared"
            yield Instance(name, service, state, wanted, since=it.at, changed=it.seq)
        elif wanted and not known.wanted and known.run:
            yield replace(known, wanted=True, changed=it.seq)
        else:
            yield known


@fold.on(ScaleDecided)
def _scale_decided(services: Services, it: Recorded, event: ScaleDecided) -> Services:
    return _scaled(services, it, event.service, event.instances)


def _scaled(services: Services, it: Recorded, service: str, count: int) -> Services:
    """The service with so many instances: those with the highest numbers go, new ones are wanted as the others are."""
    if service not in services.declared:
        return services
    after = replace(services, scaled={**services.scaled, service: count})
    instances = {name: known for name, known in services.instances.items() if known.service != service}
    instances |= {known.name: known for known in _instances(after, it, service)}
    for name, known in services.instances.items():
        if name not in instances and known.run:
            instances[name] = replace(known, wanted=False, paused=False, changed=it.seq)
    return replace(after, instances=instances)


@fold.on(CommandReceived)
def _asked(services: Services, it: Recorded, event: CommandReceived) -> Services:
    if event.verb in ("detach", "lease", "release", "mark", "unmark"):
        return services
    if event.verb == "scale":
        count = event.arguments.get("instances")
        return _scaled(services, it, event.services[0], count) if isinstance(count, int) else services
    if event.verb == "reload":
        return _reloaded(services, it) if event.arguments.get("changed") else services
    if event.verb == "signal":
        return _told(services, it, event)
    if event.verb == "restart" and event.arguments.get("rolling"):
        return _rolling(services, it, event.services)
    if event.verb == "up" and "profiles" in event.arguments:
        services = replace(services, profiles=tuple(filter(None, str(event.arguments["profiles"]).split(","))))
    directly = set(event.services)
    if event.verb == "down":
        named = {instance.service for instance in services.instances.values()}
    elif event.verb in ("up", "start"):
        asked = directly or {name for name in services.declared if starts_by_itself(services, name)}
        named = with_needs(services.declared, asked)
    else:
        named = directly
    instances = {
        name: _wish(services, instance, it, event.verb, instance.service in directly)
        if instance.service in named
        else instance
        for name, instance in services.instances.items()
    }
    return replace(services, instances=instances)


def starts_by_itself(services: Services, name: str) -> bool:
    """Whether `nexus up` starts a service: one with profiles only where one of them is asked for."""
    declared = services.declared[name]
    return declared.autostart and (not declared.profiles or not set(declared.profiles).isdisjoint(services.profiles))


def _told(services: Services, it: Recorded, event: CommandReceived) -> Services:
    """A signal for the present runs of the named services."""
    named, signal = set(event.services), str(event.arguments.get("signal", ""))
    instances = {
        name: replace(known, signal=signal, changed=it.seq) if known.service in named and known.run else known
        for name, known in services.instances.items()
    }
    return replace(services, instances=instances)


def _rolling(services: Services, it: Recorded, names: tuple[str, ...]) -> Services:
    """Each present run of the named services is to be replaced, one after the other."""
    instances = {
        name: replace(known, rolling=True, failures=0, answered=0, changed=it.seq)
        if known.service in names and known.wanted and known.run
        else known
        for name, known in services.instances.items()
    }
    rollouts = {**services.rollouts, **{name: Rollout(it.seq) for name in names if name in services.declared}}
    return replace(services, instances=instances, rollouts=rollouts)


def _reloaded(services: Services, it: Recorded) -> Services:
    """Whoever reloads wants what is new in the file, and what that needs."""
    new = [name for name in services.new if starts_by_itself(services, name)]
    named = with_needs(services.declared, new)
    instances = {
        name: _wish(services, instance, it, "start", False) if instance.service in named else instance
        for name, instance in services.instances.items()
    }
    return replace(services, instances=instances)


def _wish(services: Services, instance: Instance, it: Recorded, verb: str, directly: bool) -> Instance:
    """What a command makes of an instance; `directly` where it names the service, not only what needs it."""
    if verb in ("pause", "resume"):
        paused = verb == "pause" and instance.wanted and instance.run > 0
        return replace(instance, paused=paused, changed=it.seq)
    forgiven = replace(instance, failures=0, answered=0, delayed=False, rolling=False, changed=it.seq)
    if verb in ("stop", "down"):
        at_rest = instance.state in ("waiting", "failed", "completed")
        state: InstanceState = "stopped" if at_rest else instance.state
        return _moved(replace(forgiven, wanted=False, paused=False, bounce=""), state, it)
    if instance.name not in declared_names(services, instance.service):
        return instance
    if instance.state == "completed" and not directly:
        return instance
    wanted = replace(forgiven, wanted=True, paused=instance.paused and not directly)
    if instance.run:
        return replace(wanted, bounce="somebody asked for a restart") if verb == "restart" else wanted
    return _moved(replace(wanted, problem=""), "waiting", it)


def _moved(instance: Instance, state: InstanceState, it: Recorded) -> Instance:
    return instance if instance.state == state else replace(instance, state=state, since=it.at)
