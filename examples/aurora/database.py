"""Runs PostgreSQL: makes its cluster at the first start, then becomes the server itself, under the same pid.

Where this script is root, the server runs as `postgres` or `nobody`. A cluster that this account could not reach, below
/root for instance, is made in the system's folder, and `DATA/cluster` links to it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import sys
from pathlib import Path

from installation import Account, become, programs, reaches, run_as, system_folder, unprivileged

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
    account = unprivileged()
    if account:
        data.chmod(0o711)
    postgres = programs(account) / "postgres"
    if not (data / "cluster").exists():
        _create(data, postgres, account)
    if not (data / "pgpass").exists():
        _set_password(data, postgres, account)
    command = [postgres, "-D", (data / "cluster").resolve(), "-p", arguments.port]
    command += [f"--{name}={value}" for name, value in SETTINGS.items()]
    become(account)
    os.execv(postgres, command)  # noqa: S606 - the pid that was started becomes PostgreSQL itself


def _create(data: Path, postgres: Path, account: Account) -> None:
    """Make the cluster beside its final place, so that an interrupted one is never taken for whole."""
    home = data
    if not reaches(account, data):
        home = system_folder("cluster-")
        print(f"{account and account.pw_name} cannot reach {data}: the cluster lives in {home}", flush=True)
    unfinished = home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    if account:
        os.chown(unfinished, account.pw_uid, account.pw_gid)
    made = run_as(account, postgres.with_name("initdb"), *INITDB, "-D", unfinished)
    if made.returncode == 0:
        made = run_as(account, "tee", unfinished / "pg_hba.conf", text=ACCESS)
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
    done = run_as(account, postgres, "--single", "-D", cluster, *options, "postgres", text=statements)
    if done.returncode != 0 or "ERROR:" in done.stderr:
        sys.exit(f"PostgreSQL could not prepare {cluster}: {done.stderr.strip()}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
