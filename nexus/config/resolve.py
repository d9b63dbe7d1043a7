"""From a declared service and its ports to everything that one run of it needs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from events.catalog import PortRequest, Probe, Service, service_of
from nexus.config.environment import inherited
from nexus.config.errors import ConfigurationError
from nexus.config.files import Configuration
from nexus.config.templates import Template

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
"""Where to reach what listens on all addresses."""

Ports = Mapping[str, int]


class Resolved(msgspec.Struct, frozen=True):
    """What a run needs; it holds secrets and is never recorded.

    `probe` is its check with nothing masked or left open. `data_directory` is set where the service uses `{data}`:
    whoever starts it creates that directory for the service's user.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    probe: Probe | None = None
    data_directory: str = ""

    def __repr__(self) -> str:
        return f"Resolved({self.argv[0]!r}, …)"


def resolve(
    configuration: Configuration,
    instance: str,
    *,
    ports: Ports,
    service_ports: Mapping[str, Ports],
    home: Path,
    socket: str = "",
    url: str = "",
    gateway: str = "",
    environment: Mapping[str, str] | None = None,
) -> Resolved:
    """What a run of `instance` on `ports` (by name) needs, `service_ports` being those of every service by name.

    `socket`, `url` and `gateway` tell the service where Nexus answers. `environment` is the supervisor's, by default
    that of this process. Raises ConfigurationError where a placeholder or a variable has no value.
    """
    name = service_of(instance)
    if name not in configuration.private:
        raise ConfigurationError(
            configuration.path,
            "an instance of a declared service",
            instance,
            f"It has {', '.join(configuration.private)}.",
        )
    private = configuration.private[name]
    gaps = _Gaps(configuration, private.service, instance, ports, service_ports, home)
    theirs = inherited(os.environ if environment is None else environment)
    declared = _declared(gaps, private.environment, theirs)
    main = main_port(private.service)
    own = {"NEXUS_SERVICE": name, "NEXUS_INSTANCE": instance, "NEXUS_HOME": str(home)}
    answers = {"NEXUS_SOCKET": socket, "NEXUS_URL": url, "NEXUS_GATEWAY": gateway}
    own |= {key: value for key, value in answers.items() if value}
    return Resolved(
        argv=tuple(gaps.fill(word) for word in private.service.command),
        environment={**theirs, **_port(main, ports), **declared, **own},
        directory=str(configuration.folder / gaps.fill(private.service.directory)),
        probe=_probe(gaps, private.service.probe),
        data_directory=str(gaps.data) if gaps.data_used else "",
    )


def _port(main: PortRequest | None, ports: Ports) -> dict[str, str]:
    return {"PORT": str(ports[main.name])} if main and main.name in ports else {}


def data_directory(home: Path, service: str) -> Path:
    """The directory of a service's own, `{data}`."""
    return home / "data" / service


def main_port(service: Service) -> PortRequest | None:
    """The port that `{port}` and `PORT` mean: the one named main, otherwise the first."""
    return next((port for port in service.ports if port.name == "main"), next(iter(service.ports), None))


def _declared(gaps: _Gaps, declared: Mapping[str, Template], theirs: Mapping[str, str]) -> dict[str, str]:
    """Values of files first, so that `environment` may build on them."""
    values: dict[str, str] = {}
    for name, template in sorted(declared.items(), key=lambda item: item[1].placeholders):
        known = {**values, **theirs}
        try:
            values[name] = template.filled(gaps.value, known.__getitem__)
        except KeyError as error:
            missing = error.args[0]
            raise gaps.error(
                f"environment.{name}", f"a value for ${{{missing}}}", f"no variable {missing}",
                f"Set it where Nexus is started, or write ${{{missing}:-default}}.",
            ) from None  # fmt: skip
    return values


def _probe(gaps: _Gaps, probe: Probe | None) -> Probe | None:
    if probe is None:
        return None
    if probe.kind == "exec":
        target = shlex.join(gaps.fill(word) for word in shlex.split(probe.target))
    else:
        target = gaps.fill(probe.target)
    return msgspec.structs.replace(probe, target=target)


class _Gaps:
    """The value of each placeholder for one instance."""

    def __init__(
        self,
        configuration: Configuration,
        service: Service,
        instance: str,
        ports: Ports,
        service_ports: Mapping[str, Ports],
        home: Path,
    ) -> None:
        self.configuration, self.service, self.instance = configuration, service, instance
        self.ports, self.service_ports, self.home = ports, service_ports, home
        self.data, self.data_used = data_directory(home, service.name), False

    def fill(self, text: str) -> str:
        """The text with its placeholders filled in."""
        return Template(text).filled(self.value, lambda name: name)

    def error(self, key: str, expected: str, found: str, next_step: str) -> ConfigurationError:
        """The error to raise about this service."""
        place = f"services.{self.service.name}.{key}" if key else f"services.{self.service.name}"
        return ConfigurationError(self.configuration.path, expected, found, next_step, key=place)

    def value(self, word: str) -> str:
        """The value of a placeholder."""
        simple = {"home": str(self.home), "python": sys.executable, "instance": self.instance}
        if word in simple:
            return simple[word]
        if word == "data":
            self.data_used = True
            return str(self.data)
        if word.startswith("services."):
            _, name, what = word.split(".", 2)
            return self._of_service(word, name, what)
        main = main_port(self.service)
        name = main.name if word == "port" and main else word.removeprefix("ports.")
        return str(self._number(word, self.ports, name))

    def _of_service(self, word: str, name: str, what: str) -> str:
        if what == "data":
            return str(data_directory(self.home, name))
        service = self.configuration.private[name].service
        known = self.service_ports.get(name, {})
        if what.startswith("ports."):
            return str(self._number(word, known, what.removeprefix("ports.")))
        main = main_port(service)
        assert main is not None, "a placeholder of a service without ports is refused when the file is read"
        if what == "host":
            return EVERYWHERE.get(main.host, main.host)
        number = self._number(word, known, main.name)
        return str(number) if what == "port" else url_of(service, main, number)

    def _number(self, word: str, ports: Ports, name: str) -> int:
        if name not in ports:
            raise self.error("", f"a value for {{{word}}}", "no port yet", "It gets one when that service is started.")
        return ports[name]


def url_of(service: Service, port: PortRequest, number: int) -> str:
    """Where a service is reached: `http://…`, or `postgresql://…` where that is what it is asked by its probe."""
    host = EVERYWHERE.get(port.host, port.host)
    place = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    probe = service.probe
    if probe is None or probe.kind != "postgres":
        return f"http://{place}"
    user, _, database = probe.target.rpartition("@")
    return f"postgresql://{user}@{place}/{database}" if user else f"postgresql://{place}/{database}"
