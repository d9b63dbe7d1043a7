"""A real supervisor is killed again and again, at any moment, and shims too: nothing starts twice or stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from events.catalog import RunAbandoned, RunExited, RunRefused, RunStarted, StartDecided
from events.envelope import Recorded
from events.reader import Reader
from events.verify import verify
from nexus.platforms import posix_record
from nexus.platforms.control import ControlError, request
from nexus.platforms.linux import LinuxSystem
from nexus.platforms.posix_tree import MARKER
from nexus.policies.check import Check
from nexus.policies.step import POLICIES
from projections.state import State
from tests.waiting import until

WITNESS = Path(__file__).with_name("witness.sh")
FLAKY, QUIET, LATE = 5, 4, 3
CONFIGURATION = """
[services.{name}]
command = ["sh", "{witness}", "{folder}", "{kind}"]
depends_on = {needs}
restart = {{ delays = ["0s"], attempts_max = 1000000 }}
"""

End = int | str | None


class Told(msgspec.Struct):
    """What the services themselves say: which runs began, how they ended, and which were not alone."""

    began: Counter[int]
    ended: dict[int, str]
    twice: list[str]
    instances: dict[int, str]


class Project:
    """A folder with a configuration, and the supervisors that come and go over its home."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.home, self.file = folder, folder / "home", folder / "nexus.toml"
        self.random = random.Random(seed)
        self.killed = Counter[str]()
        self.shot: set[int] = set()
        kinds = [("quiet", QUIET), ("flaky", FLAKY), ("late", LATE)]
        names = [(f"{kind}-{number}", kind) for kind, count in kinds for number in range(count)]
        needs = {"flaky-0": ["quiet-0"], "late-0": ["quiet-1"], "late-1": ["late-0"]}
        self.file.write_text(
            "".join(
                CONFIGURATION.format(
                    name=name, witness=WITNESS, folder=folder, kind=kind, needs=json.dumps(needs.get(name, []))
                )
                for name, kind in names
            )
        )
        self.home.mkdir()

    @contextlib.contextmanager
    def supervisor(self) -> Iterator[subprocess.Popen[bytes]]:
        """One life of a supervisor; it is killed at the end of the block unless it has ended."""
        command = [sys.executable, "-m", "nexus.main", "--home", str(self.home), "supervise", "--file", str(self.file)]
        with (self.folder / "supervisor.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        with process:
            yield process
            process.kill()

    def ask(self, verb: str, *services: str) -> bool:
        """Ask the supervisor for something; False when it did not answer."""
        payload = json.dumps({"verb": verb, "services": services}).encode()
        try:
            (answer,) = request(self.home, payload, 5.0)
        except (ControlError, OSError):
            return False
        assert "error" not in json.loads(answer), answer
        return True

    def kill_one(self) -> None:
        """One life: perhaps killed while it starts, perhaps while it carries out commands."""
        with self.supervisor() as process:
            if self.random.random() < 0.3:
                self._let_live(process, self.random.random() * 0.6)
                self.killed["early"] += 1
                return
            self._until_it_answers(process)
            verbs = [(self.random.choice(["restart", "stop", "start"]), self.random.randrange(LATE)) for _ in range(3)]
            asking = threading.Thread(target=lambda: [self.ask(verb, f"late-{number}") for verb, number in verbs])
            asking.start()
            if self.random.random() < 0.3:
                self._shoot_a_shim()
            self._let_live(process, self.random.random() * 0.3)
            self.killed["at work"] += 1
            process.kill()
            asking.join()

    def _shoot_a_shim(self) -> None:
        """Kill the shell that watches some run; the service itself goes on."""
        path = self.random.choice(sorted((self.home / "runs").iterdir()))
        with contextlib.suppress(OSError):
            shim = posix_record.read(path).shim
            if shim and os.fsencode(f"{MARKER}={path}") in LinuxSystem().environment(shim):
                self.shot.add(int(path.name))
                self.killed["shims"] += 1
                os.kill(shim, signal.SIGKILL)

    def _until_it_answers(self, process: subprocess.Popen[bytes], verb: str = "ping") -> None:
        until(lambda: process.poll() is not None or self.ask(verb), 30.0, "a supervisor that answers")
        assert process.returncode is None, self._said()

    def _said(self) -> str:
        return (self.folder / "supervisor.log").read_text()[-3000:]

    def _let_live(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        assert process.returncode is None, self._said()

    def begin(self) -> None:
        """Have everything started once."""
        with self.supervisor() as process:
            self._until_it_answers(process, "up")

    def end(self) -> None:
        """A last supervisor learns what happened and takes everything down."""
        with self.supervisor() as process:
            until(lambda: self.ask("down"), 30.0)
            assert process.wait(60) == 0, self._said()

    def told(self) -> Told:
        """What the services have said."""
        told = Told(Counter(), {}, [], {})
        for line in (self.folder / "told").read_text().splitlines():
            word, instance, run, *rest = line.split()
            if word == "began":
                told.began[int(run)] += 1
                told.instances[int(run)] = instance
            elif word == "ended":
                told.ended[int(run)] = rest[0]
            else:
                told.twice.append(line)
        return told

    @staticmethod
    def alive(folder: Path) -> list[int]:
        """Every process that still carries the mark of a run of the home in this folder."""
        system, mark = LinuxSystem(), os.fsencode(f"NEXUS_RUN_FILE={folder}/home/runs/")
        return [
            process.pid
            for process in system.processes()
            if not process.zombie and any(it.startswith(mark) for it in system.environment(process.pid))
        ]


def audit(history: list[Recorded], told: Told, shot: set[int]) -> Iterator[str]:
    """What the history and the services disagree about; of a run whose shim was shot, the end need not be known."""
    decided = {it.seq: it.event.instance for it in history if isinstance(it.event, StartDecided)}
    started = Counter(it.event.run for it in history if isinstance(it.event, RunStarted))
    exits = [it.event for it in history if isinstance(it.event, RunExited)]
    ends = Counter(it.event.run for it in history if isinstance(it.event, RunExited | RunRefused | RunAbandoned))
    never = {it.event.run for it in history if isinstance(it.event, RunRefused | RunAbandoned)}
    yield from told.twice
    yield from (f"run {run} began {count} times" for run, count in told.began.items() if count > 1)
    yield from (f"run {run} began without a decision" for run in told.began if run not in decided)
    yield from (f"run {run} began and is said not to have begun" for run in told.began if run in never)
    yield from (f"run {run} was recorded as started {count} times" for run, count in started.items() if count > 1)
    yield from (f"run {run} ({name}) has {ends[run]} ends" for run, name in decided.items() if ends[run] != 1)
    for event in exits:
        end: End = event.signal if event.exit_code is None else event.exit_code
        said = told.ended.get(event.run)
        if said is not None and str(end) != said and not (event.run in shot and end is None):
            yield f"run {event.run} ({event.instance}) ended with {said} and is recorded with {end} {event.detail}"
        if event.run not in told.began and not is_internal_instance(event.instance) and end != "TERM":
            yield f"run {event.run} ({event.instance}) never began and is recorded as ended with {end}"


def is_internal_instance(instance: str) -> bool:
    """Whether it is one of Nexus's own services."""
    return instance.startswith("nexus-")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose services are ended with the test, however it ends."""
    yield tmp_path
    for pid in Project.alive(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("kills", [pytest.param(300, marks=pytest.mark.long), 8])
def test_supervisors_are_killed_at_random(folder: Path, kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run begins once by a decision, each end is learned once with its code, and nothing survives `down`."""
    project = Project(folder, seed=kills)
    project.begin()
    for _ in range(kills):
        project.kill_one()
    project.end()
    with Reader(project.home) as reader:
        history = list(reader.read())
    told = project.told()
    assert list(audit(history, told, project.shot)) == []
    quiet = Counter(told.instances[run] for run in told.began if told.instances[run].startswith("quiet"))
    assert quiet == {f"quiet-{number}.1": 1 for number in range(QUIET)}
    assert project.alive(folder) == []
    assert list((project.home / "runs").iterdir()) == []
    assert verify(project.home).problems == ()
    assert list(Check(history, POLICIES, State())) == []
    with capsys.disabled():
        print(f"\n{kills} kills {dict(project.killed)}: {len(told.began)} runs, {len(history)} events")
