"""nexus.toml: what is read, what is refused, and in which words."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from events.catalog import Exposure, PortPool, PortRequest, Probe, Restart, RouteLimit, Service
from nexus.config.errors import ConfigurationError
from nexus.config.files import STARTER, Configuration, Settings, find, home_for, init, load, make_home

REFUSED = (Path(__file__).parent / "refused.txt").read_text("utf-8")
CASES = re.findall(r"^=== (.+)\n((?:.*\n)*?)---\n(.+)\n", REFUSED, re.MULTILINE)

WHOLE = """\
[nexus]
project = "shop"
http = "127.0.0.1:7777"
gateway = "auto"
pool = "21000-21999"
excluded_ports = [21001, "21010-21012"]
log_size = "1MiB"
gateway_hosts = ["box.lan"]
gateway_tls = true

[services.database]
command = "postgres -D {data} -p {port}"
user = "postgres"
category = "database"
port = "auto"
health = { postgres = "shop", interval = "10s", timeout = 1.5, unhealthy_after = 2 }
stop_signal = "SIGINT"
stop_timeout = "1m"

[services.migrate]
command = ["{python}", "migrate.py"]
directory = "backend"
depends_on = ["database"]
task = true
restart = { when = "on failure", delays = ["500ms", 3], attempts_max = 5, reset_after = "1m", on_unhealthy = false, then = "alert" }

[services.web]
command = "python app.py"
ports = { http = 8080, metrics = { host = "0.0.0.0", protocol = "udp" } }
depends_on = { database = "started", migrate = "completed" }
health = { exec = ["check", "it is well"] }
environment = { NUMBER = 7, FLAG = true, TEXT = "{ports.http}" }
autostart = false
start_timeout = "2m"
gateway = { port = "http", sticky = true, drain = "1m", timeout = "5s", routes = { "/up/*" = { body_max = "1KiB" } } }
restart = "never"
"""  # noqa: E501


EXPOSURE = Exposure(
    port="http", sticky=True, drain_seconds=60.0,
    limits=(RouteLimit(timeout_seconds=5.0), RouteLimit("/up/*", body_max_bytes=1024)),
)  # fmt: skip


def written(folder: Path, text: str) -> Path:
    """A nexus.toml with this text."""
    file = folder / "nexus.toml"
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize(("text", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_wrong_is_said_in_these_words(tmp_path: Path, text: str, message: str) -> None:
    """One error: file, line, key, what was expected, what was found, and the next step."""
    file = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as refused:
        load(file)
    assert str(refused.value) == f"{file}:{message}"


def test_every_case_is_read() -> None:
    """The file of refused cases is understood whole."""
    assert len(CASES) == REFUSED.count("\n=== ") > 80


def test_a_whole_file_says_what_it_declares(tmp_path: Path) -> None:
    """Every key reaches the place that it is for."""
    configuration = load(written(tmp_path, WHOLE))
    assert configuration.project == "shop"
    assert configuration.path == tmp_path / "nexus.toml"
    assert configuration.pool == PortPool(21_000, 21_999, (21_001, 21_010, 21_011, 21_012))
    assert configuration.declared == {
        "database": Service(
            name="database",
            command=("postgres", "-D", "{data}", "-p", "{port}"),
            user="postgres",
            category="database",
            ports=(PortRequest(),),
            probe=Probe("postgres", "shop", "main", 10.0, 1.5, 2),
            stop_timeout_seconds=60.0,
            stop_signal="INT",
        ),
        "migrate": Service(
            name="migrate",
            command=("{python}", "migrate.py"),
            directory="backend",
            depends_on={"database": "healthy"},
            restart=Restart("on failure", (0.5, 3.0), 5, 60.0, False, False),
            task=True,
        ),
        "web": Service(
            name="web",
            command=("python", "app.py"),
            depends_on={"database": "started", "migrate": "completed"},
            ports=(PortRequest("http", 8080), PortRequest("metrics", None, "0.0.0.0", "udp")),
            probe=Probe("exec", "check 'it is well'"),
            restart=Restart("never"),
            start_timeout_seconds=120.0,
            environment=("FLAG", "NUMBER", "TEXT"),
            autostart=False,
            gateway=EXPOSURE,
        ),
    }


def test_the_settings_of_nexus_itself_are_read(tmp_path: Path) -> None:
    """Where it answers, and how large its log grows."""
    configuration = load(written(tmp_path, WHOLE))
    assert configuration.settings == Settings(
        "127.0.0.1:7777", "auto", configuration.pool, 2**20, gateway_hosts=("box.lan",), gateway_tls=True
    )


def test_little_needs_to_be_said(tmp_path: Path) -> None:
    """The project is named by its folder, ports are chosen, and a port is checked over tcp."""
    configuration = load(written(tmp_path, '[services.web]\ncommand = "app"\nport = "auto"\n'))
    assert (configuration.project, configuration.settings) == (tmp_path.name, Settings())
    web = Service(name="web", command=("app",), ports=(PortRequest(),), probe=Probe())
    assert configuration.declared == {"web": web}


@pytest.mark.parametrize(
    ("keys", "probe"),
    [
        ("", None),
        ('port = "auto"', Probe()),
        ('port = "auto"\nhealth = false', None),
        ('port = "auto"\ntask = true', None),
        ('port = { protocol = "udp" }', None),
        ('ports = { a = { protocol = "udp" }, b = "auto" }', Probe(port="b")),
        ('ports = { a = "auto", main = "auto" }', Probe()),
        ('port = "auto"\nhealth = { interval = "1s" }', Probe(interval_seconds=1.0)),
        ('port = "auto"\nhealth = { postgres = true }', Probe("postgres")),
        ('port = "auto"\nhealth = { tcp = false, http = "/" }', Probe("http", "/")),
        ('health = { exec = "true" }', Probe("exec", "true")),
    ],
)
def test_the_check_follows_from_the_ports(tmp_path: Path, keys: str, probe: Probe | None) -> None:
    """What has a tcp port is asked there, unless it says otherwise."""
    configuration = load(written(tmp_path, f'[services.web]\ncommand = "app"\n{keys}\n'))
    assert configuration.declared["web"].probe == probe


def test_a_task_is_waited_for_until_it_is_completed(tmp_path: Path) -> None:
    """In a plain list of dependencies the condition follows from the service."""
    text = '[services.a]\ncommand = "a"\ntask = true\n[services.b]\ncommand = "b"\n[services.c]\ncommand = "c"\n'
    configuration = load(written(tmp_path, text + 'depends_on = ["a", "b"]\n'))
    assert configuration.declared["c"].depends_on == {"a": "completed", "b": "healthy"}


def test_what_has_no_effect_yet_is_said(tmp_path: Path) -> None:
    """Scaling by load is read, and answered with a note."""
    table = "instances = { min = 2, max = 4, target_cpu = 0.7 }\n"
    configuration = load(written(tmp_path, f'[services.web]\ncommand = "app"\n{table}'))
    assert configuration.declared["web"].replicas == 2
    assert configuration.notes == ("services.web.instances: scaling by load is not supported yet, so 2 will run",)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The system's own word for it is quoted."""
    file = tmp_path / "nexus.toml"
    with pytest.raises(ConfigurationError) as refused:
        load(file)
    assert str(refused.value) == (
        f"{file}: expected a readable file; found no such file or directory. "
        "Name another file, or write one with `nexus init`."
    )


def test_a_file_of_other_bytes_is_said(tmp_path: Path) -> None:
    """The line of the first byte that is not UTF-8."""
    file = tmp_path / "nexus.toml"
    file.write_bytes(b"# one\n# caf\xe9\n")
    with pytest.raises(ConfigurationError) as refused:
        load(file)
    assert str(refused.value) == f"{file}:2: expected text in UTF-8; found the byte 0xe9. Save the file as UTF-8."


def test_line_ends_and_marks_of_windows_are_read(tmp_path: Path) -> None:
    """A byte order mark and CRLF change neither values nor lines."""
    file = tmp_path / "nexus.toml"
    file.write_bytes(b"\xef\xbb\xbf[services.web]\r\ncommand = '''\r\na\r\nb'''\r\nport = 0\r\n")
    with pytest.raises(ConfigurationError, match=r":5: services\.web\.port: ") as refused:
        load(file)
    assert (refused.value.line, refused.value.key) == (5, "services.web.port")


def test_secrets_are_neither_shown_nor_encoded(tmp_path: Path) -> None:
    """What is private appears in no text made of a configuration, and can't be encoded at all."""
    text = '[services.web]\ncommand = "app --token tok-1234"\nenvironment = { A = "tok-5678" }\n'
    configuration = load(written(tmp_path, text))
    assert configuration.private["web"].service.command == ("app", "--token", "tok-1234")
    assert "tok-" not in repr(configuration)
    assert b"tok-" not in msgspec.json.encode(configuration.declared)
    with pytest.raises(TypeError, match="Private is unsupported"):
        msgspec.json.encode(configuration.private)


def test_two_readings_are_equal_until_something_changes(tmp_path: Path) -> None:
    """A change of a secret alone makes a difference too."""
    text = '[services.web]\ncommand = "app"\nenvironment = { PASSWORD = "one" }\n'
    first: Configuration = load(written(tmp_path, text))
    assert load(written(tmp_path, text)) == first
    changed = load(written(tmp_path, text.replace("one", "two")))
    assert changed.declared == first.declared
    assert changed != first


def test_the_nearest_file_above_is_found(tmp_path: Path) -> None:
    """Like git, from wherever in the project one stands; a folder of that name does not count."""
    inner = tmp_path / "project" / "inner"
    (inner / "nexus.toml").mkdir(parents=True)
    assert find(inner) is None
    file = written(tmp_path / "project", "")
    assert find(inner) == file
    assert find(tmp_path / "project") == file
    assert find(tmp_path) is None


def test_the_home_is_beside_the_file(tmp_path: Path) -> None:
    """Unless another one is named."""
    file = written(tmp_path, "")
    assert home_for(file) == home_for(tmp_path) == tmp_path / ".nexus"
    assert home_for(file, tmp_path / "else") == home_for(None, str(tmp_path / "else")) == tmp_path / "else"
    assert not home_for(file).exists()
    with pytest.raises(ConfigurationError, match=r"expected a nexus\.toml here or in a folder above; found none"):
        home_for(None)


def test_a_home_is_made_and_ignored_by_git(tmp_path: Path) -> None:
    """Services of other users may pass through it; making it again changes nothing."""
    home = tmp_path / "deep" / ".nexus"
    make_home(home)
    assert (home / ".gitignore").read_text() == "*\n"
    assert home.stat().st_mode & 0o777 == 0o711
    (home / ".gitignore").write_text("mine\n")
    make_home(home)
    assert (home / ".gitignore").read_text() == "mine\n"


def test_a_home_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """On a network file system, and where a file is in the way."""
    with pytest.raises(ConfigurationError, match=r"found the network file system nfs4\. Name a local one with --home"):
        make_home(tmp_path / "a", network="nfs4")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="expected a directory that can be written; found not a directory"):
        make_home(tmp_path / "file" / ".nexus")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_first_file_is_written_once(tmp_path: Path) -> None:
    """What `nexus init` writes can be read, and is never written over."""
    file = init(tmp_path)
    assert file == tmp_path / "nexus.toml"
    assert load(file).declared == {}
    with pytest.raises(ConfigurationError, match="expected to write a new file; found one that is already there"):
        init(tmp_path)
    with pytest.raises(ConfigurationError, match="found no such file or directory"):
        init(tmp_path / "none" / "nexus.toml")


def test_the_examples_of_a_first_file_hold(tmp_path: Path) -> None:
    """Its commented tables can be used as they stand."""
    text = re.sub(r"^# (?=\[|\w+ = )", "", STARTER, flags=re.MULTILINE)
    assert list(load(init(tmp_path, text)).declared) == ["database", "web"]
