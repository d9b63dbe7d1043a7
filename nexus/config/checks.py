"""What can only be checked once all services are known: dependencies, ports, placeholders."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from events.catalog import Condition, Service
from nexus.config.errors import did_you_mean
from nexus.config.lines import KeyPath
from nexus.config.reader import Source
from nexus.config.services import Private, Read
from nexus.config.templates import Template

Services = Mapping[str, Private]


def connected(source: Source, read: Mapping[str, Read]) -> dict[str, Private]:
    """The services with a condition for each dependency; raises ConfigurationError where one can't be met."""
    known = {name: one.private.service for name, one in read.items()}
    services = {}
    for name, one in read.items():
        conditions = _conditions(source, name, one.needs, known)
        service = msgspec.structs.replace(one.private.service, depends_on=conditions)
        services[name] = Private(service, one.private.environment)
    return services


def _conditions(
    source: Source, service: str, needs: Mapping[str, Condition | None], known: Mapping[str, Service]
) -> dict[str, Condition]:
    conditions: dict[str, Condition] = {}
    for place, (name, given) in enumerate(needs.items()):
        path: KeyPath = ("services", service, "depends_on", name)
        if path not in source.lines:
            path = (*path[:-1], place)
        if name not in known:
            advice = did_you_mean(name, known, f"Add [services.{name}], or remove it here.")
            raise source.error(path, "a service of this file", f"{name}, which it does not have", advice)
        needed = known[name]
        ends = needed.task or needed.restart.when != "always"
        if given == "completed" and not ends:
            raise source.error(
                path, f"a task to be completed, and {name} is none", "completed", f"Add task = true to services.{name}."
            )
        if needed.task and given in ("started", "healthy"):
            raise source.error(
                path, f"{name}, a task, to be completed", given, 'Write "completed": a task is over when it is done.'
            )
        conditions[name] = given or ("completed" if needed.task else "healthy")
    return conditions


def check_cycles(source: Source, services: Services) -> None:
    """Raises ConfigurationError that names the first circle of dependencies."""
    graph = {name: list(private.service.depends_on) for name, private in services.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = list(reversed(error.args[1][1:]))
        first = min(range(len(circle)), key=lambda place: list(graph).index(circle[place]))
        circle = [*circle[first:], *circle[:first]]
        way = " → ".join([*circle, circle[0]])
        raise source.error(
            ("services", circle[0], "depends_on"), "an order to start in", f"a circle: {way}",
            "Remove one of these dependencies.",
        ) from None  # fmt: skip


def check_ports(source: Source, services: Services, own: Mapping[str, tuple[str, int] | None]) -> None:
    """Raises ConfigurationError where two ask for one port; `own` has the addresses that `[nexus]` names, by key."""
    taken: dict[tuple[int, str], str] = {}
    for key, address in own.items():
        if address and taken.setdefault((address[1], "tcp"), f"[nexus] {key}") != f"[nexus] {key}":
            raise source.error(
                ("nexus", key), "a port of its own", f"{address[1]}, which {taken[address[1], 'tcp']} has too",
                'Change one of them, or write "auto" to let Nexus choose.',
            )  # fmt: skip
    for name, private in services.items():
        for request in private.service.ports:
            if request.fixed is None:
                continue
            path = _place_of(source, name, request.name)
            holder = taken.setdefault((request.fixed, request.protocol), f"services.{name} ({request.name})")
            if holder != f"services.{name} ({request.name})":
                raise source.error(
                    path, "a port of its own", f"{request.fixed}, which {holder} has too",
                    'Change one of them, or write "auto" to let Nexus choose.',
                )  # fmt: skip


def _place_of(source: Source, service: str, port: str) -> KeyPath:
    inside: KeyPath = ("services", service, "ports", port)
    return inside if inside in source.lines else ("services", service, "port")


def check_placeholders(source: Source, services: Services) -> None:
    """Raises ConfigurationError for a `{placeholder}` that will never have a value."""
    shared = dict.fromkeys(_of_services(services))
    for private in services.values():
        known = dict.fromkeys(_own(private.service)) | shared
        for path, text in _texts(source, private):
            for word in Template(text).names():
                if word not in known:
                    raise source.error(
                        path, "a placeholder that exists", f"{{{word}}}",
                        did_you_mean(word, known, _advice(word, known)),
                    )  # fmt: skip


def _advice(word: str, known: Iterable[str]) -> str:
    own = "port" in known
    if word in ("port", "PORT") and not own:
        return 'Add port = "auto" to this service.'
    return f"Write {{{{{word}}}}} where it is meant literally; there are {', '.join(known)}."


def _own(service: Service) -> Iterator[str]:
    yield from ("data", "home", "python", "instance")
    if service.ports:
        yield "port"
    yield from (f"ports.{port.name}" for port in service.ports)


def _of_services(services: Services) -> Iterator[str]:
    for other, private in services.items():
        yield f"services.{other}.data"
        if private.service.ports:
            yield from (f"services.{other}.{what}" for what in ("url", "host", "port"))
        yield from (f"services.{other}.ports.{port.name}" for port in private.service.ports)


def _texts(source: Source, private: Private) -> Iterator[tuple[KeyPath, str]]:
    """Each text that may have placeholders, and where it stands."""
    service = private.service
    base: KeyPath = ("services", service.name)
    for place, word in enumerate(service.command):
        yield (*base, "command", place), word
    yield (*base, "directory"), service.directory
    if service.probe:
        yield (*base, "health", service.probe.kind), service.probe.target
    variables = "env" if (*base, "env") in source.lines else "environment"
    for name, template in private.environment.items():
        if template.placeholders:
            yield (*base, variables, name), template.text
