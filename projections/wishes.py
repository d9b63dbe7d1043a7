"""What is wanted of each service: what is declared, and what people ask for."""

from __future__ import annotations

import msgspec

from events.catalog import CommandReceived, ConfigurationLoaded, Service
from events.envelope import Recorded
from projections import services as runs
from projections.dependencies import with_needs
from projections.services import Instance, InstanceState, Services, declared_names

replace = msgspec.structs.replace
fold = runs.fold


@fold.on(ConfigurationLoaded)
def _loaded(services: Services, it: Recorded, event: ConfigurationLoaded) -> Services:
    instances: dict[str, Instance] = {}
    for service in event.services.values():
        known = services.declared.get(service.name)
        for name in service.instances():
            instance = services.instances.get(name) or Instance(name, service.name, since=it.at, changed=it.seq)
            if instance.run and (known is None or not _runs_alike(known, service)):
                instance = replace(instance, bounce="its declaration changed", changed=it.seq)
            instances[name] = instance
    for name, instance in services.instances.items():
        if name not in instances and instance.run:
            instances[name] = replace(instance, wanted=False, changed=it.seq)
    return replace(services, declared=event.services, instances=instances)


def _runs_alike(known: Service, service: Service) -> bool:
    """Whether a run of one is a run of the other: how it is led to and asked what it offers is no matter of the run."""
    return replace(known, gateway=service.gateway, api=service.api) == service


@fold.on(CommandReceived)
def _asked(services: Services, it: Recorded, event: CommandReceived) -> Services:
    if event.verb in ("detach", "lease", "release", "mark", "unmark"):
        return services
    directly = set(event.services)
    if event.verb == "down":
        named = {instance.service for instance in services.instances.values()}
    elif event.verb in ("up", "start"):
        asked = directly or {name for name, service in services.declared.items() if service.autostart}
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


def _wish(services: Services, instance: Instance, it: Recorded, verb: str, directly: bool) -> Instance:
    """What a command makes of an instance; `directly` where it names the service, not only what needs it."""
    if verb in ("pause", "resume"):
        paused = verb == "pause" and instance.wanted and instance.run > 0
        return replace(instance, paused=paused, changed=it.seq)
    forgiven = replace(instance, failures=0, answered=0, delayed=False, changed=it.seq)
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
