"""The odder lines of foreign files: kept where they have a place, named where they have none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexus.config.importers.discovery import import_file

Result = tuple[dict[str, dict[str, Any]], list[str]]


def imported(folder: Path, name: str, text: str) -> Result:
    """The services of a file, which can be used, and its notes."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    result = import_file(file)
    assert list(result.configuration({}).declared) == [service.name for service in result.services]
    return {service.name: service.keys for service in result.services}, [result.says(note) for note in result.notes]


def test_pm2_values_that_mean_nothing_here(tmp_path: Path) -> None:
    """Versions of interpreters, calls, and values of wrong types."""
    services, notes = imported(
        tmp_path,
        "ecosystem.config.js",
        """module.exports = [{
  script: './srv/', args: 'a "b', node_args: [f()], interpreter: 'node@18',
  env: 'x', max_restarts: 'many', restart_delay: 'soon', listen_timeout: 3000,
  cwd: 'jobs', autostart: true, uid: 'me', instances: 1, exec_mode: 'fork', autorestart: true,
}]
""",
    )
    keys = {"directory": "jobs", "start_timeout": "3s", "user": "me", "restart": {"attempts_max": 16}}
    assert services == {"srv": {"command": "node ./srv/", **keys}}
    assert [note.removeprefix("ecosystem.config.js:") for note in notes[1:]] == [
        "2: srv: not understood: args",
        "2: srv: not understood: the version of the interpreter",
        "2: srv: not understood: node_args",
        "3: srv: not imported: env",
        "3: srv: not imported: max_restarts",
        "3: srv: not imported: restart_delay",
    ]


def test_pm2_apps_of_every_shape(tmp_path: Path) -> None:
    """Programs without an interpreter, scripts with blanks, variables of the environment."""
    services, notes = imported(
        tmp_path,
        "ecosystem.config.js",
        """module.exports = [{
  name: 'tool', cmd: 'tool', exec_mode: 'cluster', kill_timeout: 0, min_uptime: '1m',
  env: { A: {}, PORT: 'x', B: process.env.B || 'b' },
}, {
  script: 'run me.py', args: ['--now'], interpreter: 'none', user: 'u', instances: 2, restart_delay: 100,
  max_restarts: 0, wait: later(),
}]
""",
    )
    environment, restart = {"PORT": "x", "B": "${B:-b}"}, {"attempts_max": 16, "reset_after": "60s"}
    assert services == {
        "tool": {"command": "tool", "environment": environment, "restart": restart},
        "run": {"command": ["run me.py", "--now"], "user": "u", "restart": {"attempts_max": 0, "delays": ["100ms"]}},
    }
    assert [note.removeprefix("ecosystem.config.js:") for note in notes[1:]] == [
        "2: tool: not imported: exec_mode",
        "2: tool: not imported: kill_timeout",
        "3: tool: not understood: A",
        "5: run: one instance instead of 2: pm2's share a port, which those of Nexus do not",
        "6: run: not understood: wait: later()",
    ]


def test_a_single_pm2_app(tmp_path: Path) -> None:
    """Without a list around it; its variables come from a file."""
    (tmp_path / ".env").write_text("A=1\n")
    services, _ = imported(
        tmp_path, "process.json", "{name: 'one', script: 'one.rb', env_file: '.env', autostart: false}"
    )
    assert services == {
        "one": {
            "command": "ruby one.rb", "env_file": ".env", "autostart": False, "restart": {"attempts_max": 16},
        }
    }  # fmt: skip


def test_packages_of_a_workspace_are_those_that_it_names(tmp_path: Path) -> None:
    """In the way of pnpm, and of npm's long form; what is left out again is not read."""
    for name in ("apps/a", "apps/old", "tools/t"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "package.json").write_text('{"scripts": {"start": "node ."}}')
    (tmp_path / "tools/t/package.json").write_text("[]")
    text = '{"workspaces": {"packages": ["tools/*"]}, "scripts": {"watch": "tsc -w"}}'
    assert list(imported(tmp_path, "package.json", text)[0]) == ["watch"]
    (tmp_path / "pnpm-workspace.yaml").write_text("packages:\n  - apps/*\n  - '!apps/old'\n")
    services, _ = imported(tmp_path, "package.json", text)
    assert services["a"] == {"command": "pnpm run start", "directory": "apps/a"}
    assert list(services) == ["watch", "a"]
    text = '{"packageManager": "yarn@4.1.0", "scripts": {"dev": "astro dev", "start": "node . --port $PORT"}}'
    services, _ = imported(tmp_path / "apps" / "old", "package.json", text)
    assert services == {
        "dev": {"command": "yarn run dev --port {port}", "port": "auto"},
        "start": {"command": "yarn run start", "port": "auto", "autostart": False},
    }


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('run = "python main.py"\n[env]\nPORT = "81"\nA = "${B:-c}${"\n',
         {"command": "python main.py", "port": 81, "environment": {"A": "${B:-c}$${"}}),
        ('run = "main.py $PORT"\n[[ports]]\nlocalPort = 80\n', {"command": "main.py {port}", "port": "auto"}),
        ('run = "main.py"\n[[ports]]\nlocalPort = 80\n[[ports]]\nlocalPort = 81\n', {"command": "main.py"}),
        ('workflows = 3\nrun = ["a", "b c"]\n', {"command": ["a", "b c"]}),
        ('[[workflows.workflow]]\nname = "App"\ntasks = [{ task = "shell.exec", args = "a" }, 3]\n', {"command": "a"}),
    ],
)  # fmt: skip
def test_what_replit_runs(tmp_path: Path, text: str, keys: dict[str, Any]) -> None:
    """A command line or words, on the port that is known."""
    services, _ = imported(tmp_path, ".replit", text)
    assert services == {"app": keys}


def test_a_replit_file_that_runs_nothing(tmp_path: Path) -> None:
    """Then nothing is imported, and that is said."""
    assert imported(tmp_path, ".replit", "run = 3\nports = [4]\n") == ({}, [
        ".replit:1: not understood: run",
        ".replit:2: not understood: a port",
    ])  # fmt: skip


def test_a_service_that_nexus_would_refuse_whole(tmp_path: Path) -> None:
    """Is left out, and the reason is the one that nexus.toml would get."""
    assert imported(tmp_path, ".replit", 'run = ["", "a"]\n') == ({}, [
        ".replit: app: not imported: command: expected a command line, or a list of its words; found an empty command",
    ])  # fmt: skip


def test_replit_workflows_in_parallel(tmp_path: Path) -> None:
    """Each command a service, none waiting for another."""
    task = '[[workflows.workflow.tasks]]\ntask = "shell.exec"\nargs = "a"\n'
    text = f'[workflows]\nrunButton = "all"\n[[workflows.workflow]]\nname = "all"\nmode = "parallel"\n{task}{task}'
    assert imported(tmp_path, ".replit", text)[0] == {"all-1": {"command": "a"}, "all-2": {"command": "a"}}


def test_supervisord_values_that_mean_nothing_here(tmp_path: Path) -> None:
    """Expansions that are not known, quotes that do not close, numbers that are none."""
    services, notes = imported(
        tmp_path,
        "supervisord.conf",
        "stray = 1\n[program:a]\ncommand=a %(host_node_name)s\nuser=%(ENV_USER)s\nstartretries=x\nstopwaitsecs=x\n"
        "numprocs=1\nautostart=true\nenvironment=A=%(ENV_A)s,B='$${x}{port}',=\nexitcodes=0\n"
        "directory=/srv/%(group_name)s\n"
        "[program:b]\ncommand=b 'c\n[program:c]\ncommand=%(ENV_BIN)s/c '%(ENV_X)s y'\nautorestart=1\n"
        "[include]\nfiles=/etc/*.conf\n",
    )  # fmt: skip
    ladder = {"when": "on failure", "delays": ["1s", "2s", "3s"]}
    assert services == {
        "a": {
            "command": "a %(host_node_name)s", "user": "%(ENV_USER)s", "directory": "/srv/a",
            "environment": {"A": "${A:-}", "B": "$$${x}{{port}}"}, "restart": ladder,
        },
        "c": {
            "command": ["sh", "-c", "exec ''\"${BIN}\"'/c' ''\"${X}\"' y'"],
            "restart": {"when": "always", "delays": ["1s", "2s", "3s"]},
        },
    }  # fmt: skip
    assert [note.removeprefix("supervisord.conf:") for note in notes] == [
        "1: not imported: stray=1",
        "3: a: not understood: %(host_node_name)s",
        "4: a: not understood: %(ENV_USER)s",
        "6: a: not understood: stopwaitsecs=x",
        "9: a: not understood: the rest of environment",
        "10: a: not imported: exitcodes=0",
        "13: b: not understood: command=b 'c",
        " not imported: [program:b] has no command",
        "18: not imported: no file here is /etc/*.conf",
    ]


def test_systemd_lines_that_mean_nothing_here(tmp_path: Path) -> None:
    """Prefixes, specifiers, values of other kinds, and what belongs to other sections."""
    services, notes = imported(
        tmp_path,
        "a.service",
        "[Service]\nType=forking\nType=simple\nWorkingDirectory=~\nExecStart=:/bin/a $HOME 'x y'\nEnvironment='A\n"
        "Environment=B\nKillSignal=SIGSEGV\nTimeoutStopSec=5 parsecs\nRestart=always\nExecStartPre=\n"
        "ExecStartPre=b 'c\nEnvironmentFile=-no.env\n[Socket]\nUser=x\n",
    )
    assert services == {"a": {"command": ["/bin/a", "$HOME", "x y"], "restart": "always"}}
    assert [note.removeprefix("a.service:") for note in notes] == [
        "2: a: it goes into the background by itself: Nexus needs it in the foreground",
        "4: a: not understood: WorkingDirectory=~",
        "5: a: not imported: the : before /bin/a",
        "6: a: not understood: a part of Environment",
        "7: a: not understood: a part of Environment",
        "8: a: not understood: KillSignal=SIGSEGV",
        "9: a: not understood: TimeoutStopSec=5 parsecs",
        "12: a: not understood: ExecStartPre=b 'c",
        "13: a: not imported: no.env, which is not there; add it as env_file",
        "15: a: not imported: User=x",
    ]


def test_a_unit_whose_command_is_not_understood(tmp_path: Path) -> None:
    """It is named, and there is no service."""
    services, notes = imported(tmp_path, "a.service", "[Service]\nExecStart=a 'b\n")
    assert services == {}
    assert notes == [
        "a.service:2: a: not understood: ExecStart=a 'b",
        "a.service: a: not imported: no command was understood",
    ]


def test_yaml_that_only_docker_knows(tmp_path: Path) -> None:
    """Its tags, merges of lists, and `on` as a word."""
    services, _ = imported(
        tmp_path,
        "compose.yml",
        "x-a: &a {restart: always}\nx-b: &b {stop_grace_period: on}\nservices:\n  web:\n    <<: [*a, *b]\n"
        "    ports: !reset []\n    deploy: !override {replicas: 2}\n    environment: !reset null\n",
    )  # fmt: skip
    assert services["web"]["restart"] == "always"
    assert services["web"]["instances"] == 2
    assert services["web"]["stop_timeout"] == "15s"
