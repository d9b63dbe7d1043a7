"""`python -m nexus.http --home H --port P`: the web API of one home, a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nexus.http.server import serve


def main() -> int:
    """Serve until SIGTERM; 1 where that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m nexus.http", description="The web API of one home.")
    parser.add_argument("--home", type=Path, required=True, help="where the supervisor keeps its state")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, required=True, help="the port to listen on, 0 for any")
    given = parser.parse_args()
    try:
        serve(given.home, given.host, given.port)
    except OSError as error:
        sys.stderr.write(f"nexus: {given.host}:{given.port} can't be listened on: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
