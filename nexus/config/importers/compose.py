"""Compose files: Nexus orders, checks and restarts the services; each container still comes from the compose file."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nexus.config.environment import read_env_file
from nexus.config.errors import ConfigurationError
from nexus.config.importers.compose_ports import ports_of
from nexus.config.importers.compose_values import Interpolation, duration, items_of, seconds_or_none, table_of
from nexus.config.importers.drafts import Drafts, Imported, read_text
from nexus.config.importers.yaml_lines import parse_yaml
from nexus.config.templates import literal

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
)
DEFAULT_INTERVAL_SECONDS = DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_RETRIES = 3
DEFAULT_GRACE_SECONDS = 10.0
GRACE_OF_DOCKER_SECONDS = 5.0
"""So that Docker's own kill comes first: ours would leave the container."""
START_SECONDS_MIN = 60.0

CONDITIONS = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}
TOP_KEYS = frozenset(["services", "name", "version", "networks", "volumes", "configs", "secrets", "models"])
MAPPED = frozenset(
    ["depends_on", "deploy", "extends", "healthcheck", "ports", "profiles", "restart", "scale", "stop_grace_period"]
)  # fmt: skip
KINDS: dict[str, Any] = {
    "depends_on": dict | list,
    "deploy": dict,
    "extends": dict | str,
    "healthcheck": dict,
    "ports": list,
    "profiles": list,
}
LEFT_TO_DOCKER = frozenset(
    ["annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup", "cgroup_parent", "command",
     "configs", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares",
     "cpus", "cpuset", "credential_spec", "device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search",
     "domainname", "entrypoint", "env_file", "environment", "expose", "external_links", "extra_hosts", "gpus",
     "group_add", "hostname", "image", "init", "ipc", "isolation", "label_file", "labels", "logging", "mac_address",
     "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "models", "network_mode", "networks",
     "oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform", "post_start", "privileged", "pull_policy",
     "read_only", "runtime", "secrets", "security_opt", "shm_size", "stdin_open", "stop_signal", "storage_opt",
     "sysctls", "tmpfs", "tty", "ulimits", "use_api_socket", "user", "userns_mode", "uts", "volumes", "working_dir"]
)  # fmt: skip
OTHER_CONTAINERS = ("network_mode", "pid", "ipc")
SWARM_ONLY = ("endpoint_mode", "labels", "mode", "placement", "rollback_config", "update_config")


def read(source: Path) -> Imported:
    """One service for each of the compose file; raises ConfigurationError where it can't be read."""
    drafts = Drafts(source, "Compose file")
    document, lines = parse_yaml(drafts, read_text(source))
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict):
        raise drafts.error("services", "none")
    variables = Interpolation(drafts, lines, _variables(source))
    return _File(drafts, services, lines, variables, _project(source, document)).imported(document)


def _variables(source: Path) -> dict[str, str]:
    file = source.parent / ".env"
    try:
        return {name: template.text for name, template in read_env_file(file).items()}
    except (OSError, UnicodeDecodeError, ConfigurationError):
        return {}


def _project(source: Path, document: Mapping[str, Any]) -> str:
    name = document.get("name") or source.absolute().parent.name
    return re.sub(r"[^a-z0-9_-]+", "", str(name).lower()).lstrip("-_") or "project"


class _File:
    """One compose file on its way to nexus.toml."""

    def __init__(
        self, drafts: Drafts, services: dict[str, Any], lines: dict[Any, int], variables: Interpolation, project: str
    ) -> None:
        self.drafts, self.services, self.lines = drafts, services, lines
        self.variables, self.project = variables, project
        self.names: dict[str, str] = {}

    def imported(self, document: Mapping[str, Any]) -> Imported:
        """Every service, and what the file says beside them."""
        self._about_the_file(document)
        for wanted in self.services:
            self.names[wanted] = name = self.drafts.name(str(wanted), self.line(wanted))
            self.drafts.services[name] = {}
        tasks: set[str] = set()
        for wanted, name in self.names.items():
            service = self._extended(wanted)
            keys = self._service(wanted, name, service)
            keys["depends_on"] = self._depends_on(wanted, service, tasks)
            self.drafts.add(name, keys)
        for name in tasks:
            self.drafts.services[name] |= {"task": True}
        return self.drafts.done()

    def line(self, *path: Any) -> int | None:
        """The line of a key of a service."""
        known = (self.lines.get(("services", *path[:size])) for size in range(len(path), 0, -1))
        return next((line for line in known if line), None)

    def _about_the_file(self, document: Mapping[str, Any]) -> None:
        note = self.drafts.note
        note("containers are run by `docker compose run` and keep what the file says of image, volumes and networks")
        note("their ports are those of the file; Nexus chooses none of them")
        if any((self.drafts.source.parent / name).is_file() for name in OVERRIDES):
            note("an override file stands beside it, which neither this import nor the commands below read")
        for key in document:
            if key == "include":
                note("not imported: the services of included files", self.lines.get((key,)))
            elif key not in TOP_KEYS and not str(key).startswith("x-"):
                note(f"not understood: {key}", self.lines.get((key,)))

    def _extended(self, wanted: str) -> dict[str, Any]:
        """A service with what it extends; only a service of the same file can be followed."""
        service, followed = table_of(self.services[wanted]), [wanted]
        while "extends" in service:
            extends = service["extends"]
            base = extends if isinstance(extends, str) else str(table_of(extends).get("service"))
            other_file = table_of(extends).get("file")
            service = {key: value for key, value in service.items() if key != "extends"}
            if other_file or base not in self.services or base in followed:
                self.drafts.note(
                    "not followed: extends, so what Nexus should know of it may be missing here",
                    self.line(wanted, "extends"), self.names[wanted],
                )  # fmt: skip
                break
            followed.append(base)
            service = _merged(table_of(self.services[base]), service)
        return service

    def _service(self, wanted: str, name: str, service: Mapping[str, Any]) -> dict[str, Any]:
        self._not_understood(wanted, name, service)
        ports = ports_of(self.drafts, self.variables, self.lines, wanted, name, items_of(service.get("ports")))
        environment = {key: literal(value, variables=True) for key, value in ports.pop("environment").items()}
        grace_seconds = seconds_or_none(self.variables.text(service.get("stop_grace_period")))
        grace_seconds = DEFAULT_GRACE_SECONDS if grace_seconds is None else grace_seconds
        keys: dict[str, Any] = {"command": self._command(wanted, grace_seconds), **ports, "environment": environment}
        keys["stop_timeout"] = duration(grace_seconds + GRACE_OF_DOCKER_SECONDS)
        keys["health"] = self._health(wanted, name, service, bool(ports))
        if isinstance(keys["health"], dict):
            keys["start_timeout"] = keys["health"].pop("start_timeout", None)
        keys["restart"] = self._restart(wanted, name, service)
        return keys | self._amount(wanted, name, service, fixed=bool(ports))

    def _amount(self, wanted: str, name: str, service: Mapping[str, Any], *, fixed: bool) -> dict[str, Any]:
        """Whether it is started by itself, and how many of it."""
        keys: dict[str, Any] = {}
        number = self._replicas(service)
        if service.get("profiles"):
            keys["autostart"] = False
            words = ", ".join(map(str, items_of(service["profiles"])))
            line = self.line(wanted, "profiles")
            self.drafts.note(f"not started by itself: it belongs to the profiles {words}", line, name)
        if number == 0:
            keys["autostart"] = False
            self.drafts.note("not started by itself: the file asks for 0 replicas", self.line(wanted), name)
        if number > 1 and fixed:
            self.drafts.note(f"one instance instead of {number}: its port is fixed", self.line(wanted), name)
        elif number > 1:
            keys["instances"] = number
        return keys

    def _not_understood(self, wanted: str, name: str, service: Mapping[str, Any]) -> None:
        note = self.drafts.note
        for key, value in service.items():
            line = self.line(wanted, key)
            if value is not None and not isinstance(value, KINDS.get(key, object)):
                note(f"not understood: {key}", line, name)
            elif key == "container_name":
                note("its container is called otherwise, so that Nexus can tell its own", line, name)
            elif key in ("links", "volumes_from") or (key in OTHER_CONTAINERS and str(value).startswith("service:")):
                note(
                    f"{key} names another service's container, which compose may not find when Nexus runs it",
                    line,
                    name,
                )
            elif key == "develop":
                note("not imported: develop; Nexus does not rebuild on changes", line, name)
            elif key not in MAPPED | LEFT_TO_DOCKER and not str(key).startswith("x-"):
                note(f"not understood: {key}", line, name)
        for key in table_of(service.get("deploy")):
            if key in SWARM_ONLY:
                note(f"not imported: deploy.{key}, which only a swarm knows", self.line(wanted, "deploy", key), name)

    def container(self) -> str:
        """The name of its container, one for each instance."""
        return f"nexus-{self.project}-{{instance}}"

    def _command(self, wanted: str, grace_seconds: float) -> list[str]:
        """Removes what a killed run left, runs the container, and has Docker stop it when asked to end."""
        file, service = (literal(shlex.quote(word)) for word in (self.drafts.source.name, wanted))
        container = self.container()
        run = f"docker compose -f {file} run --rm --no-deps --service-ports --use-aliases -T --name {container}"
        stop = f"docker stop -t {math.ceil(grace_seconds)} {container} >/dev/null"
        script = (
            f"docker rm -f {container} >/dev/null 2>&1; trap 'stopping=1; {stop}' TERM INT; {run} {service} & run=$!; "
            "wait $run; code=$?; if [ $stopping ]; then wait $run; code=$?; fi; exit $code"
        )
        return ["sh", "-c", script]

    # -- health, restart, dependencies ---------------------------------------------------------------

    def _health(self, wanted: str, name: str, service: Mapping[str, Any], has_port: bool) -> Any:
        check = service.get("healthcheck")
        if not isinstance(check, dict):
            if has_port:
                self.drafts.note(
                    "checked over tcp, which Docker answers before the program does", self.line(wanted), name
                )
            return None
        test = check.get("test")
        if check.get("disable") or test in ("NONE", ["NONE"]):
            return False
        if "start_interval" in check:
            self.drafts.note(
                "not imported: start_interval; Nexus asks often while a service starts",
                self.line(wanted, "healthcheck", "start_interval"), name,
            )  # fmt: skip
        interval, timeout, start = (
            seconds_or_none(self.variables.text(check.get(key))) for key in ("interval", "timeout", "start_period")
        )
        retries = self.variables.text(check.get("retries"))
        health = {
            **self._test(wanted, name, test),
            "interval": duration(interval or DEFAULT_INTERVAL_SECONDS),
            "timeout": duration(timeout or DEFAULT_TIMEOUT_SECONDS),
            "unhealthy_after": int(retries) if retries.isdigit() and int(retries) else DEFAULT_RETRIES,
        }
        patience = (start or 0) + (interval or DEFAULT_INTERVAL_SECONDS) * health["unhealthy_after"]
        return health | {"start_timeout": duration(max(patience, START_SECONDS_MIN))}

    def _test(self, wanted: str, name: str, test: Any) -> dict[str, Any]:
        """The check inside the container; without one, that of the image."""
        container = self.container()
        if not test:
            script = f'[ "$(docker inspect -f "{{{{.State.Health.Status}}}}" {container})" = healthy ]'
            return {"exec": ["sh", "-c", script]}
        words = [self.variables.text(word) for word in (test if isinstance(test, list) else ["CMD-SHELL", test])]
        if words[0] == "CMD":
            return {"exec": ["docker", "exec", container, *map(literal, words[1:])]}
        return {"exec": ["docker", "exec", container, "sh", "-c", literal(" ".join(words[1:]))]}

    def _restart(self, wanted: str, name: str, service: Mapping[str, Any]) -> Any:
        policy = table_of(service.get("deploy")).get("restart_policy")
        if isinstance(policy, dict):
            return self._restart_policy(wanted, name, policy)
        word = service.get("restart")
        text = self.variables.text(word)
        kind, _, times = text.partition(":")
        if kind in ("always", "unless-stopped"):
            return "always"
        if kind == "on-failure":
            return {"when": "on failure", "attempts_max": int(times)} if times.isdigit() else "on failure"
        if kind == "no" and "restart" in service:
            return "never"
        if text:
            self.drafts.note(f"not understood: restart: {text}", self.line(wanted, "restart"), name)
        else:
            self.drafts.note(
                "the file says nothing of restarts: here it is tried again on failure", self.line(wanted), name
            )
        return "on failure"

    def _restart_policy(self, wanted: str, name: str, policy: Mapping[str, Any]) -> dict[str, Any]:
        words = {"any": "always", "on-failure": "on failure", "none": "never"}
        restart: dict[str, Any] = {"when": words.get(str(policy.get("condition", "any")), "always")}
        delay = seconds_or_none(self.variables.text(policy.get("delay")))
        window = seconds_or_none(self.variables.text(policy.get("window")))
        attempts = self.variables.text(policy.get("max_attempts"))
        restart |= {"delays": [duration(delay)]} if delay is not None else {}
        restart |= {"attempts_max": int(attempts)} if attempts.isdigit() else {}
        restart |= {"reset_after": duration(window)} if window is not None else {}
        for key in set(policy) - {"condition", "delay", "window", "max_attempts"}:
            line = self.line(wanted, "deploy", "restart_policy", key)
            self.drafts.note(f"not understood: deploy.restart_policy.{key}", line, name)
        return restart

    def _depends_on(self, wanted: str, service: Mapping[str, Any], tasks: set[str]) -> dict[str, str]:
        given, name, needs = service.get("depends_on"), self.names[wanted], {}
        for other in map(str, table_of(given) or items_of(given)):
            options = table_of(table_of(given).get(other))
            condition = CONDITIONS.get(str(options.get("condition", "service_started")))
            line = self.line(wanted, "depends_on", other)
            if other not in self.names or condition is None:
                self.drafts.note(f"not understood: depends_on {other} {options.get('condition', '')}", line, name)
                continue
            for key in set(options) - {"condition"}:
                if (key, options[key]) not in (("required", True), ("restart", False)):
                    self.drafts.note(f"not imported: {key} of depends_on {other}", line, name)
            needs[self.names[other]] = condition
            if condition == "completed":
                tasks.add(self.names[other])
        return needs

    # -- the rest --------------------------------------------------------------------------------------

    def _replicas(self, service: Mapping[str, Any]) -> int:
        replicas = table_of(service.get("deploy")).get("replicas")
        text = self.variables.text(service.get("scale") if replicas is None else replicas)
        return int(text) if text.isdigit() else 1


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A service with what it extends: tables and lists are joined."""
    merged = dict(base)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = {**before, **value}
        elif isinstance(before, list) and isinstance(value, list) and key not in ("command", "entrypoint"):
            merged[key] = [*before, *value]
        else:
            merged[key] = value
    return merged
