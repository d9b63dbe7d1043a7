"""One synthesis job: a process of its own, whose port tells everybody who asks how far it is.

The specification comes on stdin; the first line on stdout is the port. A connection gets one JSON object a line, from
the first step to the last, which holds the outcome. The process ends once somebody has heard that.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator import Specification, generate, read_specification

HEARD_WITHIN_SECONDS = 10.0
TESTS_TIMEOUT_SECONDS = 30.0

Step = dict[str, Any]


class Progress:
    """The steps so far, for any number of listeners."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.changed = threading.Condition()
        self.heard = threading.Event()

    def add(self, step: Step) -> None:
        """Tell every listener."""
        with self.changed:
            self.steps.append(step)
            self.changed.notify_all()

    def tell(self, connection: socket.socket) -> None:
        """Send every step as it comes, until the outcome."""
        told = 0
        with connection, contextlib.suppress(OSError):
            connection.settimeout(HEARD_WITHIN_SECONDS)
            while not (told and "state" in self.steps[told - 1]):
                with self.changed:
                    while len(self.steps) == told:
                        self.changed.wait()
                connection.sendall(json.dumps(self.steps[told]).encode() + b"\n")
                told += 1
            self.heard.set()


def steps(wanted: Specification) -> Iterator[Step]:
    """Generate, write, test: each step as it is begun, and the outcome as {state, result}."""
    yield {"step": f"generate {wanted.language} for {wanted.name}", "number": 1, "of": 3}
    files = generate(wanted)
    yield {"step": f"write {', '.join(files)}", "number": 2, "of": 3}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        tested = wanted.language == "python"
        yield {"step": "run its tests" if tested else "leave its tests to Node.js", "number": 3, "of": 3}
        problem = run_tests(Path(folder)) if tested else None
    result = {"files": files, "tested": tested}
    yield (
        {"state": "failed", "result": {**result, "problem": problem}}
        if problem
        else {"state": "done", "result": result}
    )


def run_tests(folder: Path) -> str | None:
    """What is wrong with the generated code, by its own tests."""
    command = [sys.executable, "-m", "unittest", "discover", "-s", str(folder)]
    tests = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TESTS_TIMEOUT_SECONDS, check=False
    )
    return tests.stderr[-2000:] if tests.returncode else None


def listen(progress: Progress, listener: socket.socket) -> None:
    """Serve listeners until `listener` is closed."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=progress.tell, args=[connection]).start()


def main() -> None:
    """Run the job on stdin."""
    progress = Progress()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, args=[progress, listener], daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        try:
            for step in steps(read_specification(json.load(sys.stdin))):
                progress.add(step)
        except (ValueError, OSError, subprocess.SubprocessError) as error:
            progress.add({"state": "failed", "result": {"problem": str(error)}})
        progress.heard.wait(HEARD_WITHIN_SECONDS)


if __name__ == "__main__":
    main()
