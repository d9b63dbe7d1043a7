"""From a table of nexus.toml to a declared service."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import msgspec

from events.catalog import (
    Condition,
    Mode,
    PortRequest,
    Predict,
    Probe,
    ProbeKind,
    Restart,
    RestartWhen,
    Service,
)
from nexus.config import keys
from nexus.config.api import read_api
from nexus.config.environment import read_environment, secrets_of
from nexus.config.errors import described, kind_of
from nexus.config.exposure import read_exposure
from nexus.config.limits import read_limits, read_memory_max
from nexus.config.masking import masked, masked_text
from nexus.config.reader import Reader, Source
from nexus.config.templates import Template
from nexus.config.values import is_port, range_of, seconds_of, words_of

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
TOLD = ("HUP", "USR1", "USR2", "INT", "QUIT", "TERM", "WINCH", "TTIN", "TTOU")
SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL")
CONDITIONS = ("started", "healthy", "completed")
RESTART_WORDS = ("always", "on failure", "never")
PROBE_KINDS: tuple[ProbeKind, ...] = ("http", "tcp", "exec", "postgres")
RESERVED_CATEGORY = "internal"
DEFAULT = keys.SERVICE_DEFAULTS


class Private:
    """A service as it really is, secrets included. No struct, so that nothing encodes it by mistake."""

    __slots__ = ("environment", "service")

    def __init__(self, service: Service, environment: dict[str, Template]) -> None:
        self.service, self.environment = service, environment

    def __repr__(self) -> str:
        return f"Private({self.service.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Private):
            return NotImplemented
        return (self.service, self.environment) == (other.service, other.environment)

    __hash__ = None  # type: ignore[assignment]

    def public(self, environment: Mapping[str, str]) -> Service:
        """What the log may know of it; `environment` is the supervisor's."""
        service, secrets = self.service, secrets_of(self.environment, environment)
        probe = service.probe
        if probe and probe.kind == "exec":
            shown = masked(shlex.split(probe.target), secrets)
            probe = msgspec.structs.replace(probe, target=shlex.join(shown))
        elif probe:
            probe = msgspec.structs.replace(probe, target=masked_text(probe.target, secrets))
        return msgspec.structs.replace(
            service,
            command=masked(service.command, secrets),
            directory=masked_text(service.directory, secrets),
            probe=probe,
        )


class Read(NamedTuple):
    """A service as far as it can be understood alone.

    `needs` has None where the condition follows from the other service, `notes` say what has no effect yet.
    """

    private: Private
    needs: dict[str, Condition | None]
    notes: list[str]


def read_service(source: Source, name: str, table: Any, folder: Path) -> Read:
    """One service from its table. Raises ConfigurationError."""
    _check_name(source, name)
    if not isinstance(table, dict):
        raise source.error(("services", name), "a table", kind_of(table), f"Write [services.{name}] above its keys.")
    reader = Reader(source, ("services", name), table, keys.SERVICE)
    if "command" not in reader:
        raise reader.wrong(expected="a command", found="none", next_step=f"Add {keys.SERVICE['command'].example}.")
    ports, task = _ports(reader), reader.flag("task", DEFAULT.task)
    environment = read_environment(reader, folder)
    replicas, most, notes = _replicas(reader, ports)
    service = Service(
        name=name,
        command=_command(reader, "command"),
        directory=reader.text("directory", DEFAULT.directory),
        user=reader.text("user", DEFAULT.user),
        category=_category(reader),
        ports=ports,
        probe=_probe(reader, ports, task),
        restart=_restart(reader),
        start_timeout_seconds=reader.seconds("start_timeout", DEFAULT.start_timeout_seconds, positive=True),
        stop_timeout_seconds=reader.seconds("stop_timeout", DEFAULT.stop_timeout_seconds),
        stop_signal=_signal(reader, "stop_signal", SIGNALS),
        environment=tuple(environment),
        limits=read_limits(reader),
        memory=read_memory_max(reader),
        autostart=reader.flag("autostart", DEFAULT.autostart),
        task=task,
        replicas=replicas,
        api=read_api(reader),
        gateway=read_exposure(reader, ports),
        replicas_max=most,
        reload_signal=_signal(reader, "reload_signal", TOLD) if "reload_signal" in reader else "",
        groups=_names(reader, "groups"),
        profiles=_names(reader, "profiles"),
        predict=_predict(reader),
    )
    return Read(Private(service, environment), _needs(reader), notes)


def _check_name(source: Source, name: str) -> None:
    if not NAME.fullmatch(name):
        slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "web"
        raise source.error(
            ("services", name), "a name of small letters, digits, - and _", described(name), f"Rename it to {slug}."
        )


def _command(reader: Reader, key: str) -> tuple[str, ...]:
    value = reader.table[key]
    if isinstance(value, str):
        try:
            words = words_of(value)
        except ValueError as error:
            problem = str(error)
            advice = (
                "Close the quote." if "quotation" in problem else f'Write {key} = ["sh", "-c", \'…\'], or quote it.'
            )
            raise reader.malformed(key, found=problem.lower(), next_step=advice) from None
    else:
        words = reader.texts(key)
    if not words or not words[0].strip():
        raise reader.malformed(key, found="an empty command")
    if any("\0" in word for word in words):
        raise reader.malformed(key, found="a NUL character")
    return words


def _category(reader: Reader) -> str:
    category = reader.text("category", DEFAULT.category)
    if category == RESERVED_CATEGORY:
        raise reader.wrong(
            "category", expected="a category for your services", found=category,
            next_step="Choose another word: this one is for the parts of Nexus itself.",
        )  # fmt: skip
    return category


def _signal(reader: Reader, key: str, known: Collection[str]) -> str:
    name = reader.text(key, DEFAULT.stop_signal).upper().removeprefix("SIG")
    if name not in known:
        raise reader.malformed(key)
    return name


def _names(reader: Reader, key: str) -> tuple[str, ...]:
    names = reader.texts(key)
    for place, name in enumerate(names):
        if not NAME.fullmatch(name):
            raise reader.malformed(key, place, found=described(name), next_step="Use small letters, digits, - and _.")
    return names


def _predict(reader: Reader) -> Predict:
    if "predict" not in reader:
        return DEFAULT.predict
    if reader.table["predict"] == "off":
        return Predict(ports="off", start="off")
    inner = reader.reader("predict", keys.PREDICT)
    ports = cast(Literal["off", "on"], inner.choice("ports", DEFAULT.predict.ports, ("off", "on")))
    return Predict(ports, cast(Mode, inner.choice("start", DEFAULT.predict.start, ("off", "propose", "on"))))


def _replicas(reader: Reader, ports: tuple[PortRequest, ...]) -> tuple[int, int | None, list[str]]:
    notes, most = [], None
    if isinstance(reader.table.get("instances"), dict):
        inner = reader.reader("instances", keys.INSTANCES)
        replicas = inner.whole("min", 1, 1, 1000)
        most = inner.whole("max", replicas, 1, 1000)
        if most < replicas:
            raise inner.malformed("max", next_step=f"It must be at least min, which is {replicas}.")
        cpu = inner.table.get("target_cpu", 1)
        if isinstance(cpu, bool) or not isinstance(cpu, int | float) or not 0 < cpu <= 1:
            raise inner.malformed("target_cpu")
        if most > replicas or "target_cpu" in inner:
            name = reader.path[-1]
            notes.append(f"services.{name}.instances: scaling by load is not supported yet, so {replicas} will run")
    else:
        replicas = reader.whole("instances", 1, 1, 1000)
    fixed = next((port for port in ports if port.fixed), None)
    if replicas > 1 and fixed:
        raise reader.wrong(
            "instances", expected="one instance where a port is fixed", found=f"{replicas} on port {fixed.fixed}",
            next_step='Give the port "auto", so that each instance gets one of its own.',
        )  # fmt: skip
    return replicas, most, notes


# -- ports -----------------------------------------------------------------------------------------


def _ports(reader: Reader) -> tuple[PortRequest, ...]:
    requests = [_port(reader, ("port",), "main", reader.table["port"])] if "port" in reader else []
    for name, value in reader.subtable("ports").items():
        if not NAME.fullmatch(name):
            raise reader.wrong(
                "ports", name, expected="a name of small letters, digits, - and _", found=described(name),
                next_step="Rename it.",
            )  # fmt: skip
        if name == "main" and "port" in reader:
            raise reader.wrong(
                "ports", name, expected="one port named main", found="two, for port is the main one",
                next_step="Remove one of them.",
            )  # fmt: skip
        requests.append(_port(reader, ("ports", name), name, value))
    return tuple(requests)


def _port(reader: Reader, place: tuple[str, ...], name: str, value: object) -> PortRequest:
    if value == "auto":
        return PortRequest(name)
    if isinstance(value, dict):
        inner = Reader(reader.source, (*reader.path, *place), value, keys.PORT)
        protocol = inner.choice("protocol", keys.PORT_DEFAULTS.protocol, ("tcp", "udp"))
        fixed = inner.whole("fixed", 1, 1, 65_535) if "fixed" in inner else None
        host = inner.text("host", keys.PORT_DEFAULTS.host)
        first, last = _prefer(inner)
        return PortRequest(name, fixed, host, cast(Literal["tcp", "udp"], protocol), first, last)
    if not is_port(value):
        raise reader.wrong(
            *place, expected=keys.PORT_FORM, found=described(value), next_step='For example: port = "auto"'
        )
    return PortRequest(name, cast(int, value))


def _prefer(inner: Reader) -> tuple[int, int]:
    """The range that a port is chosen from, 0 and 0 for the pool."""
    if "prefer" not in inner:
        return 0, 0
    if "fixed" in inner:
        raise inner.malformed("prefer", next_step="Keep either prefer or fixed.")
    ends = range_of(inner.table["prefer"])
    if ends is None:
        raise inner.malformed("prefer")
    return ends


# -- health ----------------------------------------------------------------------------------------


def _probe(reader: Reader, ports: tuple[PortRequest, ...], task: bool) -> Probe | None:
    listening = [port.name for port in ports if port.protocol == "tcp"]
    if "health" not in reader:
        return Probe(port=_main(listening)) if listening and not task else None
    if reader.table["health"] is False:
        return None
    inner = reader.reader("health", keys.HEALTH)
    kind = _kind(inner, listening)
    return Probe(
        kind=kind,
        target=_target(inner, kind),
        port=_asked_port(inner, kind, listening),
        interval_seconds=inner.seconds("interval", keys.PROBE_DEFAULTS.interval_seconds, positive=True),
        timeout_seconds=inner.seconds("timeout", keys.PROBE_DEFAULTS.timeout_seconds, positive=True),
        unhealthy_after=inner.whole("unhealthy_after", keys.PROBE_DEFAULTS.unhealthy_after, 1, 1000),
    )


def _main(names: list[str]) -> str:
    return "main" if "main" in names or not names else names[0]


def _kind(inner: Reader, listening: list[str]) -> ProbeKind:
    refused = "tcp" in inner and not inner.flag("tcp", True)
    given = [kind for kind in PROBE_KINDS if kind in inner and not (kind == "tcp" and refused)]
    if len(given) > 1 or (not given and (refused or not listening)):
        raise inner.wrong(
            expected="one of http, tcp, exec and postgres", found=" and ".join(given) or "none",
            next_step="Keep one of them, or write health = false for no check.",
        )  # fmt: skip
    return given[0] if given else "tcp"


def _target(inner: Reader, kind: ProbeKind) -> str:
    if kind == "exec":
        return shlex.join(_command(inner, "exec"))
    if kind == "postgres":
        value = inner.table["postgres"]
        return "" if value is True else inner.text("postgres", "")
    if kind == "http":
        path = inner.text("http", "/")
        if not path.startswith("/") or any(letter.isspace() or not letter.isprintable() for letter in path):
            raise inner.malformed("http")
        return path
    return ""


def _asked_port(inner: Reader, kind: ProbeKind, listening: list[str]) -> str:
    if kind == "exec":
        if "port" in inner:
            raise inner.malformed("port", next_step="Remove it: a command asks no port; write {port} in it.")
        return keys.PROBE_DEFAULTS.port
    if not listening:
        raise inner.wrong(
            kind, expected="a tcp port to ask", found="a service without one", next_step='Add port = "auto".'
        )
    name = inner.text("port", _main(listening))
    if name not in listening:
        raise inner.malformed("port", next_step=f"It has {', '.join(listening)}.")
    return name


# -- dependencies and restarts -----------------------------------------------------------------------


def _needs(reader: Reader) -> dict[str, Condition | None]:
    value = reader.table.get("depends_on", [])
    if not isinstance(value, dict):
        return dict.fromkeys(reader.texts("depends_on"))
    for name, condition in value.items():
        if condition not in CONDITIONS:
            raise reader.wrong(
                "depends_on", name, expected='"started", "healthy" or "completed"', found=described(condition),
                next_step=f'For example: depends_on = {{ {name} = "healthy" }}',
            )  # fmt: skip
    return value


def _restart(reader: Reader) -> Restart:
    value = reader.table.get("restart", keys.RESTART_DEFAULTS.when)
    if value == "adaptive":
        raise reader.malformed(
            "restart", next_step="The adaptive policy is not supported yet; write restart = { delays = [...] }."
        )
    if not isinstance(value, dict):
        return Restart(
            when=cast(RestartWhen, reader.choice("restart", "", RESTART_WORDS) if "restart" in reader else value)
        )
    inner = reader.reader("restart", keys.RESTART)
    default = keys.RESTART_DEFAULTS
    return Restart(
        when=cast(RestartWhen, inner.choice("when", default.when, RESTART_WORDS)),
        delays_seconds=_delays(inner) if "delays" in inner else default.delays_seconds,
        attempts_max=inner.whole("attempts_max", 0, 0, 1_000_000) if "attempts_max" in inner else None,
        reset_after_seconds=inner.seconds("reset_after", default.reset_after_seconds),
        on_unhealthy=inner.flag("on_unhealthy", default.on_unhealthy),
        stop_dependents=inner.choice("then", "alert and stop dependents", ("alert and stop dependents", "alert"))
        != "alert",
    )


def _delays(inner: Reader) -> tuple[float, ...]:
    value = inner.table["delays"]
    if not isinstance(value, list):
        raise inner.malformed("delays")
    delays = []
    for place, item in enumerate(value):
        seconds = seconds_of(item)
        if seconds is None:
            raise inner.malformed("delays", place, found=described(item))
        delays.append(seconds)
    return tuple(delays)
