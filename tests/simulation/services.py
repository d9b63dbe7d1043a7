"""What is supervised in the simulated world: twenty-one services with every kind of setting, and changes to them."""

from __future__ import annotations

import random

import msgspec

from events.catalog import ConfigurationLoaded, Limits, MemoryMax, PortPool, PortRequest, Probe, Restart, Service

POOL = PortPool(first=20_000, last=20_018, excluded=(20_003,))
FIXED = (5432, 8080)

replace = msgspec.structs.replace
DYNAMIC = (PortRequest(),)
PROBE = Probe(kind="http", target="/api/health")


def _service(name: str, **settings: object) -> Service:
    given = {"command": (name,), "start_timeout_seconds": 20.0, "ports": DYNAMIC, "probe": PROBE, **settings}
    return msgspec.convert({"name": name, **msgspec.to_builtins(given)}, Service)


SERVICES = {
    service.name: service
    for service in (
        _service("database", ports=(PortRequest(fixed=5432),)),
        _service("cache", probe=None, restart=Restart(delays_seconds=(0.5, 1.0), attempts_max=4)),
        _service("queue", memory=MemoryMax(1 << 28, "alert"),
                 restart=Restart(delays_seconds=(0.0,) * 3, reset_after_seconds=5.0)),
        _service("store", replicas=2, restart=Restart(on_unhealthy=False)),
        _service("migrate", task=True, probe=None, ports=(), depends_on={"database": "healthy"}),
        _service("seed", task=True, probe=None, ports=(), restart=Restart(when="on failure"),
                 depends_on={"migrate": "completed"}),
        _service("router", depends_on={"database": "healthy", "cache": "started"}),
        _service("core", depends_on={"database": "healthy", "router": "healthy", "seed": "completed"}),
        _service("auth", depends_on={"database": "healthy"}, restart=Restart(stop_dependents=False)),
        _service("synthesis", memory=MemoryMax(1 << 28), limits=Limits(priority="low"),
                 depends_on={"core": "healthy"}, start_timeout_seconds=60.0),
        _service("bridge", depends_on={"core": "healthy", "router": "healthy"}, stop_timeout_seconds=3.0),
        _service("worker", replicas=3, ports=(), probe=Probe(kind="exec", target="check", interval_seconds=15.0),
                 depends_on={"queue": "healthy"}, restart=Restart(when="on failure")),
        _service("mailer", ports=(), probe=None, depends_on={"worker": "started", "auth": "healthy"},
                 restart=Restart(when="never")),
        _service("search", depends_on={"store": "healthy"}, restart=Restart(delays_seconds=())),
        _service("metrics", ports=(), autostart=False),
        _service("web", ports=(PortRequest(), PortRequest(name="admin")), stop_timeout_seconds=5.0,
                 depends_on={"core": "healthy", "auth": "healthy"}),
        _service("edge", ports=(PortRequest(fixed=8080),), depends_on={"web": "healthy"}),
        _service("cron", ports=(), probe=None, depends_on={"core": "started"}, restart=Restart(when="on failure")),
        _service("report", task=True, probe=None, ports=(), autostart=False, depends_on={"database": "healthy"}),
        _service("export", task=True, probe=None, autostart=False),
        _service("nexus-gateway", category="internal", stop_timeout_seconds=2.0),
    )
}  # fmt: skip


def configuration(services: dict[str, Service]) -> ConfigurationLoaded:
    """The event by which a supervisor learns them."""
    return ConfigurationLoaded(project="simulated", path="nexus.toml", services=services, pool=POOL)


def changed(dice: random.Random) -> dict[str, Service]:
    """The same services with one or two changes, as somebody who edits the file would make them."""
    services = dict(SERVICES)
    for _ in range(dice.randint(0, 2)):
        name = dice.choice(list(SERVICES))
        service = services.get(name)
        if service is not None:
            services |= _change(dice, service)
    if dice.random() < 0.3:
        services.pop(dice.choice(("edge", "cron", "bridge", "search", "report", "mailer")), None)
    return services


def _change(dice: random.Random, service: Service) -> dict[str, Service]:
    kind = dice.randrange(6)
    if kind == 0:
        service = replace(service, stop_timeout_seconds=dice.choice([1.0, 4.0]))
    elif kind == 1 and not service.task:
        service = replace(service, replicas=dice.randint(1, 3) if not service.ports else service.replicas)
    elif kind == 2 and service.ports and not service.ports[0].fixed:
        service = replace(service, ports=(replace(service.ports[0], fixed=dice.choice([9000, 20_005])),))
        return {service.name: service} if service.name in ("web", "queue") else {}
    elif kind == 3:
        service = replace(service, environment=("DEBUG",))
    elif kind == 5:
        service = replace(service, limits=Limits(priority=dice.choice(("high", "low"))))
        if service.memory:
            service = replace(service, memory=replace(service.memory, max_bytes=dice.choice((1 << 27, 1 << 30))))
    elif kind == 4 and service.name in ("queue", "auth", "nexus-gateway"):
        service = replace(service, ports=(*service.ports, PortRequest(name="extra")))
    return {service.name: service}
