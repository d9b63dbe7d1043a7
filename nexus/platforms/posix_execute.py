"""`python -I -S posix_execute.py USER COMMAND...`: becomes the command, as USER unless that is empty.

Only used where `setpriv` is missing, or for environment names that a shell would drop (`spring.port`):
those arrive as NEXUS_ODD_n="name=value".
"""

from __future__ import annotations

import os
import sys
import warnings  # noqa: F401 - os.execvpe asks for it when this Python may be out of the user's reach


def main(user: str, *command: str) -> None:
    """Replace this process; raises OSError when that is not possible."""
    for name in [name for name in os.environ if name.startswith("NEXUS_ODD_")]:
        odd, _, value = os.environ.pop(name).partition("=")
        os.environ[odd] = value
    if user and sys.platform != "win32":
        import pwd

        account = pwd.getpwnam(user)
        os.initgroups(user, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    os.execvpe(command[0], list(command), os.environ)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
