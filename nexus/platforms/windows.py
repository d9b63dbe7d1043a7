"""Runs on Windows: begun suspended and recorded before they run, watched through handles, found again by pid.

Written from the documentation and type-checked; not run on a Windows machine by us. What differs from POSIX: there is
no shim, so the exit code of a run that ended while no supervisor lived is not known; TERM is a Ctrl-Break.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import _winapi
import asyncio
import contextlib
import msvcrt
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from events.catalog import Event, RunAbandoned, RunAdopted, RunExited, RunRefused, RunStarted, SignalSent
from events.envelope import Draft, Position
from nexus.platforms import run_files
from nexus.platforms.base import Launch, Sockets
from nexus.platforms.windows_job import Job

MARKER = "NEXUS_RUN_FILE"
"""The environment variable that names a run for everything below it."""

UNSEEN = "nobody saw it end: no supervisor was running"
_CREATE_SUSPENDED = 0x4
_FILE_APPEND_DATA = 0x4
_SHARE_ALL = 0x1 | 0x2 | 0x4
_OPEN_ALWAYS = 4
_WATCHING = 0x00100000 | 0x1000  # SYNCHRONIZE, PROCESS_QUERY_LIMITED_INFORMATION
_CONTROL_C_EXIT = 0xC000013A
_BREAK = (
    "import ctypes, sys; k = ctypes.windll.kernel32; k.FreeConsole(); pid = int(sys.argv[1]); "
    "k.AttachConsole(pid) and k.GenerateConsoleCtrlEvent(1, pid)"
)
"""Only who shares a console with a process group can send it Ctrl-Break, so a helper goes there."""


@dataclass
class Watch:
    """One run that is followed through a handle; `killed` and `asked` say what we did to it."""

    run: Position
    instance: str
    pid: int
    handle: int
    job: Job | None = None
    asked: bool = False
    killed: bool = False


class WindowsProcesses:
    """Runs of one home; everything that happens to them later is given to `post`."""

    def __init__(self, home: Path, post: Callable[[Draft], None], sockets: Sockets) -> None:
        self.runs = home.resolve() / "runs"
        self.runs.mkdir(parents=True, exist_ok=True)
        self._post, self._sockets = post, sockets
        self._watched: dict[Position, Watch] = {}

    # -- the interface -------------------------------------------------------------------------

    def start(self, run: Position, launch: Launch) -> list[Draft]:
        """Make run `run` exist: [RunStarted], or [RunRefused] which names what to do."""
        if problem := self._refusal(run, launch):
            return [Draft(problem)]
        try:
            with self._path(run).open("x") as record:
                record.write(f"run {run} {launch.instance}\n")
        except FileExistsError:
            return [Draft(RunRefused(instance=launch.instance, run=run, error=f"run {run} was begun before"))]
        try:
            watch = self._begin(run, launch)
        except (OSError, ValueError, psutil.Error) as error:
            self.forget(run)
            return [Draft(RunRefused(instance=launch.instance, run=run, error=str(error)))]
        self._follow(watch)
        return [Draft(RunStarted(instance=launch.instance, run=run, pid=watch.pid, created=_created(watch.pid)))]

    def signal(self, run: Position, instance: str, signal: str, *, tree: bool) -> list[Draft]:
        """KILL ends it at once, STOP and CONT pause and resume it, everything else is a Ctrl-Break for its group."""
        watch = self._watched.get(run)
        reached = 0
        if watch is not None:
            members = self._members(watch)
            reached = len(members)
            if signal == "KILL":
                watch.killed = True
                self._kill(watch, members)
            elif signal in ("STOP", "CONT"):
                for process in members:
                    with contextlib.suppress(psutil.Error):
                        (process.suspend if signal == "STOP" else process.resume)()
            else:
                watch.asked = True
                command = [sys.executable, "-I", "-S", "-c", _BREAK, str(watch.pid)]
                subprocess.Popen(command, creationflags=subprocess.DETACHED_PROCESS)
        return [Draft(SignalSent(instance=instance, run=run, signal=signal, reached=reached))]

    def tell(self, run: Position, instance: str, signal: str) -> list[Draft]:
        """There is no signal that does not ask to end: it reaches nobody."""
        return [Draft(SignalSent(instance=instance, run=run, signal=signal, reached=0))]

    def adopt(self, run: Position, instance: str) -> list[Draft]:
        """What became of a run of an earlier supervisor; see `Processes.adopt`."""
        words = self._words(run)
        if "start" not in words:  # it was never resumed, and its job has ended it
            with contextlib.suppress(FileExistsError):
                self._path(run).touch(exist_ok=False)
            return [Draft(RunAbandoned(instance=instance, run=run))]
        if "exit" in words:
            return [Draft(_exited(run, instance, int(words["exit"][0])))]
        pid, created = int(words["start"][0]), int(words["start"][1])
        try:  # a handle first, then a look at who it is
            handle = _winapi.OpenProcess(_WATCHING, False, pid)
        except OSError:
            handle = 0
        if handle and _created(pid) == created:
            self._follow(Watch(run, instance, pid, handle))
            return [Draft(RunAdopted(instance=instance, run=run, pid=pid))]
        if handle:
            _winapi.CloseHandle(handle)
        return [Draft(RunExited(instance=instance, run=run, detail=UNSEEN))]

    def begun(self) -> dict[Position, str]:
        """Every run that was begun here and is not forgotten, with its instance."""
        return run_files.begun(self.runs)

    def forget(self, run: Position) -> None:
        """Remove what was kept to find the run again; called once its end is recorded."""
        self._path(run).unlink(missing_ok=True)

    # -- beginning -----------------------------------------------------------------------------

    def _refusal(self, run: Position, launch: Launch) -> RunRefused | None:
        error, advice, owner, taken = "", "", None, None
        if launch.user:
            error, advice = f"it can't be started as user {launch.user!r} on Windows", "Leave the user out."
        elif launch.directory and not os.path.isdir(launch.directory):
            error, advice = f"its directory {launch.directory} does not exist", "Create it, or correct `directory`."
        elif not launch.argv or not _program(launch):
            error = f"command {launch.argv[:1]} was not found in PATH ({launch.environment.get('PATH', '')})"
            advice = "Install it, or give its full path."
        for port in launch.ports if not error else ():
            owner = next(iter(self._sockets.owners(port)), None)
            if owner is not None:
                error, taken = f"port {port} is already open: held by {owner}", port
                advice = f"Stop that process, or give {launch.instance} another port."
                break
        if not error:
            return None
        return RunRefused(instance=launch.instance, run=run, error=error, advice=advice, port=taken, owner=owner)

    def _begin(self, run: Position, launch: Launch) -> Watch:
        """Make it suspended in a job that dies with us, record it, and only then let it live on its own."""
        job = Job(kill_on_close=True)
        with _append_only(launch.log_file) as log:
            process = _spawn(launch, log, {**launch.environment, **self._marks(run, launch)})
        job.assign(int(process._handle))  # type: ignore[attr-defined]
        with self._path(run).open("a") as record:
            record.write(f"start {process.pid} {_created(process.pid)}\n")
        job.let_live()
        psutil.Process(process.pid).resume()
        handle = _winapi.OpenProcess(_WATCHING, False, process.pid)
        process.returncode = 0  # the handle is what we wait for
        return Watch(run, launch.instance, process.pid, handle, job)

    def _marks(self, run: Position, launch: Launch) -> dict[str, str]:
        return {"NEXUS_RUN": str(run), "NEXUS_INSTANCE": launch.instance, MARKER: str(self._path(run))}

    # -- watching and ending -------------------------------------------------------------------

    def _follow(self, watch: Watch) -> None:
        self._watched[watch.run] = watch
        loop = asyncio.get_running_loop()

        def wait() -> None:
            _winapi.WaitForSingleObject(watch.handle, _winapi.INFINITE)
            with contextlib.suppress(RuntimeError):  # the loop has ended before the service
                loop.call_soon_threadsafe(self._ended, watch)

        threading.Thread(target=wait, daemon=True, name=f"run {watch.run}").start()

    def _ended(self, watch: Watch) -> None:
        code = _winapi.GetExitCodeProcess(watch.handle)
        _winapi.CloseHandle(watch.handle)
        left = self._members(watch)
        self._kill(watch, left)
        del self._watched[watch.run]
        with self._path(watch.run).open("a") as record:
            record.write(f"exit {code}\n")
        end: Event = _exited(watch.run, watch.instance, code, watch)
        self._post(Draft(end))

    def _members(self, watch: Watch) -> list[psutil.Process]:
        """Everything alive that carries the run's mark, or descends from its process."""
        found: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(watch.pid)
            found = {process.pid: process for process in (root, *root.children(recursive=True))}
        mark = str(self._path(watch.run))
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get(MARKER) == mark:
                    found[process.pid] = process
        return list(found.values())

    def _kill(self, watch: Watch, members: list[psutil.Process]) -> None:
        if watch.job is not None:
            watch.job.terminate()
        for process in members:
            with contextlib.suppress(psutil.Error):
                process.kill()

    # -- helpers -------------------------------------------------------------------------------

    def _path(self, run: Position) -> Path:
        return self.runs / str(run)

    def _words(self, run: Position) -> dict[str, list[str]]:
        try:
            lines = self._path(run).read_text().splitlines()
        except FileNotFoundError:
            return {}
        return {words[0]: words[1:] for line in lines if (words := line.split())}


def _exited(run: Position, instance: str, code: int, watch: Watch | None = None) -> RunExited:
    if watch is not None and watch.killed:
        return RunExited(instance=instance, run=run, signal="KILL")
    if code == _CONTROL_C_EXIT:
        return RunExited(instance=instance, run=run, signal="TERM" if watch is not None and watch.asked else "INT")
    return RunExited(instance=instance, run=run, exit_code=code)


def _program(launch: Launch) -> str | None:
    name = launch.argv[0]
    if os.path.dirname(name):
        name = os.path.join(launch.directory, name)
    return shutil.which(name, path=launch.environment.get("PATH"))


def _spawn(launch: Launch, log: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW | _CREATE_SUSPENDED

    def popen(creationflags: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(launch.argv),
            executable=_program(launch),
            cwd=launch.directory or None,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            creationflags=creationflags,
        )

    try:
        return popen(flags | subprocess.CREATE_BREAKAWAY_FROM_JOB)
    except PermissionError:  # the job that we are in lets nobody leave
        return popen(flags)


@contextlib.contextmanager
def _append_only(path: str) -> Iterator[int]:
    """A descriptor whose writes all go to the end of the file, which others may rename and remove meanwhile."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handle = _winapi.CreateFile(path, _FILE_APPEND_DATA | 0x00100000, _SHARE_ALL, 0, _OPEN_ALWAYS, 0, 0)
    descriptor = msvcrt.open_osfhandle(handle, os.O_APPEND)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _created(pid: int) -> int:
    try:
        return int(psutil.Process(pid).create_time() * 1e6)
    except psutil.Error:
        return 0
