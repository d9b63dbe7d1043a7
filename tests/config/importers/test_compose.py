"""Compose files: values, ports, and the command that runs a container."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config.importers.compose import read
from nexus.config.importers.compose_values import Interpolation, duration, seconds_or_none
from nexus.config.importers.drafts import Drafts
from nexus.config.resolve import resolve
from nexus.config.values import seconds_of
from tests.waiting import until

DOCKER = """\
#!/bin/sh
echo "$1 $2" >> {calls}
case "$1" in
rm) exit 1 ;;
stop) kill -9 $(cat {pid}) ;;
compose) trap '' TERM; [ -n "$CODE" ] && exit $CODE; echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 60 ;;
esac
"""


def service(folder: Path, keys: str) -> tuple[dict[str, Any], list[str]]:
    """What one service becomes, and the notes."""
    file = folder / "compose.yml"
    file.write_text(f"services:\n  web:\n    image: web\n    restart: always\n{keys}")
    imported = read(file)
    imported.configuration({})
    return imported.services[0].keys, [imported.says(note) for note in imported.notes[2:]]


def runner(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """The command of a service, with a Docker that only pretends; its container ignores TERM."""
    docker = folder / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(calls=folder / "calls", pid=folder / "pid"))
    docker.chmod(0o755)
    (folder / "compose.yml").write_text("services: {web: {image: web}}\n")
    configuration = read(folder / "compose.yml").configuration({})
    resolved = resolve(configuration, "web.1", ports={}, service_ports={}, home=folder, environment={})
    path = f"{docker.parent}:{os.environ['PATH']}"
    return subprocess.Popen(resolved.argv, env={**environment, "PATH": path}, start_new_session=True)


def test_a_container_that_ignores_its_end_is_stopped_by_docker(tmp_path: Path) -> None:
    """And what a killed run may have left is removed before."""
    process = runner(tmp_path)
    until((tmp_path / "pid").exists)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGKILL
    assert (tmp_path / "calls").read_text().splitlines() == ["rm -f", "compose -f", "stop -t"]


def test_the_exit_code_of_a_container_is_that_of_its_run(tmp_path: Path) -> None:
    """So that Nexus knows whether it failed."""
    assert runner(tmp_path, CODE="3").wait(10) == 3
    assert (tmp_path / "calls").read_text().splitlines() == ["rm -f", "compose -f"]


@pytest.mark.parametrize(
    ("keys", "port"),
    [
        ('    ports: ["8080:80"]\n', {"fixed": 8080, "host": "0.0.0.0"}),
        ('    ports: ["127.0.0.1:53:53/udp"]\n', {"fixed": 53, "host": "127.0.0.1", "protocol": "udp"}),
        ('    ports: ["[::1]:8080:80"]\n', {"fixed": 8080, "host": "::1"}),
        ("    ports: [22:22]\n", {"fixed": 22, "host": "0.0.0.0"}),
        ('    ports: [{target: 80, published: "81", host_ip: 10.0.0.1}]\n', {"fixed": 81, "host": "10.0.0.1"}),
    ],
)
def test_published_ports_are_known(tmp_path: Path, keys: str, port: dict[str, Any]) -> None:
    """In the short and the long form, and not as base 60."""
    assert service(tmp_path, keys)[0]["port"] == port


@pytest.mark.parametrize(
    ("port", "note"),
    [
        ("80", "web: Docker chooses where 80 is published: Nexus does not know that port"),
        ('"80:80:80:80"', "web: not understood: the port 80:80:80:80"),
        ('"70000:80"', "web: not understood: the port 70000:80"),
        ('"80-70:80-70"', "web: not understood: the port 80-70:80-70"),
        ("{target: 80, published: x}", "web: not understood: the port {'target': 80, 'published': 'x'}"),
        ('"1000-1100:1000-1100"', "web: not understood: the port 1000-1100:1000-1100"),
    ],
)
def test_ports_that_are_not_known_are_named(tmp_path: Path, port: str, note: str) -> None:
    """With their line."""
    keys, notes = service(tmp_path, f"    ports:\n      - {port}\n")
    assert "port" not in keys
    assert f"compose.yml:6: {note}" in notes


def test_several_published_ports_for_one_inside_are_kept(tmp_path: Path) -> None:
    """Each under a name of its own."""
    keys, _ = service(tmp_path, '    ports: ["81:80", "82:80", "90-91:80"]\n')
    assert {name: port["fixed"] for name, port in keys["ports"].items()} == {
        "p80": 81, "p80-82": 82, "p80-90": 90, "p80-91": 91,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A-${A}", "1-1"),
        ("$$A", "$A"),
        ("${B:-x}${B-x}", "x"),
        ("${C:-x}${C-y}", "xy"),
        ("${C:-${A}}", "1"),
        ("${A:+yes}${C:+yes}", "yes"),
        ("${C}", ""),
        ("$1 {A}", "$1 {A}"),
    ],
)
def test_variables_are_filled_in_as_docker_does(text: str, result: str) -> None:
    """From the .env file; A is 1, B is empty, C is not set."""
    drafts = Drafts(Path("compose.yml"), "Compose file")
    assert Interpolation(drafts, {}, {"A": "1", "B": ""}).text(text) == result
    assert [note.text for note in drafts.notes] == (
        ["C is not set in .env: taken as empty here"] if text == "${C}" else []
    )


@given(st.floats(0, 1e7).map(lambda seconds: round(seconds, 3)))
def test_a_duration_is_written_as_nexus_reads_it(seconds: float) -> None:
    """To the millisecond."""
    written = duration(seconds)
    assert written is not None
    assert seconds_of(written) == pytest.approx(seconds)


def test_durations_of_compose_are_read() -> None:
    """Several units, and nothing else."""
    assert seconds_or_none("1h1m1.5s") == 3661.5
    assert seconds_or_none("250ms") == 0.25
    assert seconds_or_none("10") is seconds_or_none("1 day") is seconds_or_none("") is None


@pytest.mark.parametrize(
    ("keys", "restart"),
    [
        ("    restart: on-failure\n", "on failure"),
        ("    restart: no\n", "never"),
        ("    deploy: {restart_policy: {condition: none}}\n", {"when": "never"}),
        ("    deploy: {restart_policy: {}}\n", {"when": "always"}),
    ],
)
def test_restarts_are_those_of_the_file(tmp_path: Path, keys: str, restart: object) -> None:
    """`no` is a word here, as it is for Docker."""
    text = f"services:\n  web:\n    image: web\n{keys}"
    (tmp_path / "compose.yml").write_text(text)
    assert read(tmp_path / "compose.yml").services[0].keys["restart"] == restart


def test_nothing_is_lost_without_being_named(tmp_path: Path) -> None:
    """Unknown keys at every level that Nexus reads."""
    _, notes = service(
        tmp_path,
        "    fresh: 1\n    x-mine: 1\n    healthcheck: {test: [CMD, a], start_interval: 1s}\n"
        "    deploy:\n      update_config: {}\n      restart_policy: {condition: any, fresh: 1}\n"
        "    stop_signal: SIGQUIT\n    volumes_from: [a]\n    pid: service:a\n",
    )  # fmt: skip
    elsewhere = "names another service's container, which compose may not find when Nexus runs it"
    assert notes == [
        "compose.yml:5: web: not understood: fresh",
        f"compose.yml:12: web: volumes_from {elsewhere}",
        f"compose.yml:13: web: pid {elsewhere}",
        "compose.yml:9: web: not imported: deploy.update_config, which only a swarm knows",
        "compose.yml:7: web: not imported: start_interval; Nexus asks often while a service starts",
        "compose.yml:10: web: not understood: deploy.restart_policy.fresh",
    ]


def test_a_broken_env_file_beside_it_is_no_reason_to_fail(tmp_path: Path) -> None:
    """Docker will say what is wrong with it."""
    (tmp_path / ".env").write_text("not a variable\n")
    keys, notes = service(tmp_path, '    ports: ["${A:-80}:80"]\n')
    assert keys["port"]["fixed"] == 80
    assert keys["environment"] == {"A": "80"}
    assert notes == ["compose.yml:2: web: checked over tcp, which Docker answers before the program does"]
