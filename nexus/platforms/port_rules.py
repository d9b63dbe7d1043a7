"""What this machine does with ports by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from events.catalog import PortRules

IANA_EPHEMERAL = (49_152, 65_535)
PAIR = re.compile(r"^\s*(\d+)\s+(\d+)", re.MULTILINE)


@cache
def port_rules() -> PortRules:
    """As the system says; the range that IANA sets aside where it says nothing."""
    return PortRules(_ephemeral(), _reserved(), _privileged_below(), _user())


if sys.platform == "win32":

    def _ephemeral() -> tuple[int, int]:
        return IANA_EPHEMERAL

    def _reserved() -> tuple[tuple[int, int], ...]:
        """WinNAT keeps whole ranges back; only the numbers of the translated table are read."""
        asked = ["netsh", "int", "ipv4", "show", "excludedportrange", "protocol=tcp"]
        try:
            told = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            return ()
        return tuple((int(first), int(last)) for first, last in PAIR.findall(told))

    def _privileged_below() -> int:
        return 0

    def _user() -> int:
        return 0

else:
    import os

    FIRST_PERSON = 501 if sys.platform == "darwin" else 1_000

    def _ephemeral() -> tuple[int, int]:
        if sys.platform == "linux":
            try:
                first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
            except OSError:
                return IANA_EPHEMERAL
            return int(first), int(last)
        else:  # noqa: RET505 - mypy leaves it out elsewhere
            return IANA_EPHEMERAL

    def _reserved() -> tuple[tuple[int, int], ...]:
        return ()

    def _privileged_below() -> int:
        """macOS has no such border since 10.14."""
        border = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        return int(border.read_text()) if os.geteuid() != 0 and border.exists() else 0

    def _user() -> int:
        """People are numbered from the first; root and the users of services count as the first too."""
        return max(0, os.geteuid() - FIRST_PERSON)
