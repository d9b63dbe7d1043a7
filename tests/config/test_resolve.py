"""From what is declared to what a run needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from events.catalog import Probe
from nexus.config.errors import ConfigurationError
from nexus.config.files import Configuration, load
from nexus.config.resolve import Resolved, resolve

TEXT = """\
[services.database]
command = "postgres -D {data} -p {port} --password hunter2"
port = { host = "0.0.0.0" }
health = { postgres = "me@shop" }

[services.cache]
command = ["cache", "{ports.main}", "{ports.admin}", "{{port}}"]
ports = { admin = "auto", main = { host = "::1" } }

[services.web]
command = "{python} app.py --home {home} --me {instance} --token tok-1"
directory = "back end"
ports = { http = "auto", metrics = "auto" }
health = { exec = "check '{ports.metrics} now' --token tok-1" }
depends_on = ["database", "cache"]
env_file = ".env"
[services.web.environment]
DATABASE_URL = "{services.database.url}?password=${FROM_FILE}"
CACHE = "{services.cache.url} {services.cache.host} {services.cache.port} {services.cache.ports.admin}"
DATA = "{services.database.data}/x"
USER_HOME = "${HOME:-/nowhere}"
PATH = "/opt/bin:${PATH}"
"""
PORTS = {"database": {"main": 5001}, "cache": {"main": 5002, "admin": 5003}, "web": {"http": 5004, "metrics": 5005}}
OURS = {"PATH": "/bin", "NEXUS_TOKEN": "secret", "NEXUS_HOME": "/other"}


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """Three services."""
    (tmp_path / ".env").write_text("FROM_FILE=pw\nPORT=1\n")
    (tmp_path / "nexus.toml").write_text(TEXT)
    return load(tmp_path / "nexus.toml", OURS)


def resolved(configuration: Configuration, instance: str, **more: str) -> Resolved:
    """A run on the ports above."""
    ports = PORTS[instance.rpartition(".")[0]]
    return resolve(
        configuration, instance, ports=ports, service_ports=PORTS, home=Path("/home"), environment=OURS, **more
    )  # fmt: skip


def test_a_command_is_filled_in_and_its_secrets_are_back(configuration: Configuration) -> None:
    """What the log shows as ••• runs as it was written."""
    database = resolved(configuration, "database.1")
    assert database.argv == ("postgres", "-D", "/home/data/database", "-p", "5001", "--password", "hunter2")
    assert configuration.declared["database"].command[-2:] == ("--password", "•••")
    assert database.data_directory == "/home/data/database"
    assert database.directory == str(configuration.folder)
    assert "hunter2" not in repr(database)


def test_the_main_port_is_the_one_named_so(configuration: Configuration) -> None:
    """Otherwise the first."""
    cache = resolved(configuration, "cache.1")
    assert cache.argv == ("cache", "5002", "5003", "{port}")
    assert cache.environment["PORT"] == "5002"
    assert cache.data_directory == ""


def test_a_run_knows_where_it_is(configuration: Configuration) -> None:
    """Its interpreter, its home, its name, its folder."""
    web = resolved(configuration, "web.2")
    assert web.argv == (sys.executable, "app.py", "--home", "/home", "--me", "web.2", "--token", "tok-1")
    assert web.directory == str(configuration.folder / "back end")
    assert web.probe == Probe("exec", "check '5005 now' --token tok-1")


def test_a_run_gets_its_environment(configuration: Configuration) -> None:
    """That of Nexus without its own, the port, what is declared, and what Nexus tells of itself."""
    web = resolved(configuration, "web.2", socket="/run/s", url="http://127.0.0.1:7777")
    assert web.environment == {
        "PATH": "/opt/bin:/bin",
        "PORT": "1",
        "FROM_FILE": "pw",
        "DATABASE_URL": "postgresql://me@127.0.0.1:5001/shop?password=pw",
        "CACHE": "http://[::1]:5002 ::1 5002 5003",
        "DATA": "/home/data/database/x",
        "USER_HOME": "/nowhere",
        "NEXUS_SERVICE": "web",
        "NEXUS_INSTANCE": "web.2",
        "NEXUS_HOME": "/home",
        "NEXUS_SOCKET": "/run/s",
        "NEXUS_URL": "http://127.0.0.1:7777",
    }


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    """With the key, and without any value."""
    file = tmp_path / "nexus.toml"
    file.write_text('[services.web]\ncommand = "app"\nenvironment = { URL = "pw-1${NEXUS_TOKEN}" }\n')
    with pytest.raises(ConfigurationError) as refused:
        resolve(load(file, OURS), "web.1", ports={}, service_ports={}, home=tmp_path, environment=OURS)
    assert str(refused.value) == (
        f"{file}: services.web.environment.URL: expected a value for ${{NEXUS_TOKEN}}; found no variable NEXUS_TOKEN. "
        "Set it where Nexus is started, or write ${NEXUS_TOKEN:-default}."
    )


def test_a_port_that_is_not_known_yet_is_named(configuration: Configuration) -> None:
    """The service that it is the port of was not started."""
    with pytest.raises(ConfigurationError) as refused:
        resolve(configuration, "web.1", ports=PORTS["web"], service_ports={}, home=Path("/home"), environment=OURS)
    assert str(refused.value) == (
        f"{configuration.path}: services.web: expected a value for {{services.cache.url}}; found no port yet. "
        "It gets one when that service is started."
    )


def test_an_unknown_instance_is_named(configuration: Configuration) -> None:
    """Rather than run something else."""
    with pytest.raises(ConfigurationError, match=r"found api\.1\. It has database, cache, web\."):
        resolve(configuration, "api.1", ports={}, service_ports={}, home=Path("/home"))
