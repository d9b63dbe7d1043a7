"""The `nexus` command: the one place that knows both the command line and the supervisor."""

from __future__ import annotations

from pathlib import Path

from nexus.cli.app import make_app


def supervise(home: Path, file: Path) -> None:
    """Supervise until a shutdown is completed; only whoever supervises loads what that takes."""
    import asyncio
    import importlib.metadata

    from nexus.supervisor import Supervisor

    asyncio.run(Supervisor(home, file, importlib.metadata.version("luminar-nexus")).run())


def main() -> None:
    """Run the command line."""
    make_app(supervise)()


if __name__ == "__main__":
    main()
