"""Runs on POSIX: claimed by a locked file, begun behind a shim, watched to their end, found again after a crash."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import contextlib
import os
import signal as signals
import time
from collections.abc import Callable
from pathlib import Path

from events.catalog import (
    Event,
    RunAbandoned,
    RunAdopted,
    RunExited,
    RunRefused,
    RunStarted,
    SignalSent,
)
from events.envelope import Draft, Position
from nexus.platforms import posix_launch, posix_record, run_files
from nexus.platforms.base import Launch, Sockets
from nexus.platforms.posix_launch import default_shell
from nexus.platforms.posix_record import Claim, Record
from nexus.platforms.posix_status import exited
from nexus.platforms.posix_system import Process, System
from nexus.platforms.posix_tree import Tree, Zombies, group_lives, kill_group, reap, signal_group
from nexus.platforms.posix_watch import Watch

ADOPTION_LOOK_SECONDS = 0.0005
ADOPTION_WAIT_SECONDS = 0.005
"""How long recovery waits for a shim that was just begun to say the pid of its service; later it is posted."""

LOOK_AGAIN_SECONDS = 0.001
LOOK_AGAIN_SECONDS_MAX = 0.1
STATUS_LOOKS_MAX = 5
SWEEP_SECONDS = 5.0

CLEAN_UP_SECONDS = 5.0
"""After this time a run counts as ended although something that cannot be killed still holds its lock."""

PATIENCE_SECONDS = 60.0
"""How long what is left of a run that was asked to end may take, when nobody has it killed before."""

SURVIVED_BY_SHIM = frozenset({"HUP", "INT", "QUIT", "ABRT", "PIPE", "ALRM", "TERM", "USR1", "USR2"})
"""The signals that may be sent to the whole group, since the shim traps them."""


class PosixProcesses:
    """Runs of one home; everything that happens to them later is given to `post`."""

    def __init__(
        self, system: System, home: Path, post: Callable[[Draft], None], sockets: Sockets, shell: str = ""
    ) -> None:  # fmt: skip
        self.runs = Path(os.path.realpath(home)) / "runs"
        self.runs.mkdir(parents=True, exist_ok=True)
        self._system, self._post, self._sockets = system, post, sockets
        self._shell = shell or default_shell()
        self._watched: dict[Position, Watch] = {}
        self._lists_orphans = system.gather_orphans()
        posix_launch.keep_descriptors()
        self._zombies = Zombies(system)
        self._sweeping: asyncio.TimerHandle | None = None

    # -- the interface -------------------------------------------------------------------------

    def start(self, run: Position, launch: Launch) -> list[Draft]:
        """Make run `run` exist: [RunRefused], which names what to do, or nothing yet.

        The shim says the pid of its service a moment later; then RunStarted is posted, or RunRefused. Nobody waits
        for it, so that many services begin at once.
        """
        if problem := posix_launch.refusal(run, launch, self._sockets):
            return [Draft(problem)]
        path = self._path(run)
        try:
            claim = Claim(path, run, launch.instance)
        except FileExistsError:
            return [Draft(RunRefused(instance=launch.instance, run=run, error=f"run {run} was begun before"))]
        except OSError as error:
            return [Draft(posix_launch.refused(run, launch, error))]
        try:
            leader = posix_launch.spawn(run, launch, path, claim, self._shell)
        except (OSError, ValueError) as error:
            self.forget(run)
            return [Draft(posix_launch.refused(run, launch, error))]
        finally:
            claim.close()
        watch = Watch(run, launch.instance, leader, 0, leader, self._lists_orphans, announced=False)
        self._watched[run] = watch
        self._open(watch)
        self._later(self._begin_later, watch)
        return []

    def signal(self, run: Position, instance: str, signal: str, *, tree: bool) -> list[Draft]:
        """Send `signal` ("TERM") to the run's process group; with `tree` to all its descendants, wherever they went."""
        watch = self._watched.get(run)
        number = getattr(signals, f"SIG{signal}", None)
        reached = 0
        if watch is not None and number is not None and not watch.pid:
            reached = self._signal_before_it_began(watch, signal, number)
        elif watch is not None and number is not None:
            whole = self._tree(watch)
            if not tree:
                watch.asked = signal
                reached = self._signal_group(watch, signal, number)
            else:
                watch.asked = "" if signal == "KILL" else watch.asked
                reached = whole.send(number)
        return [Draft(SignalSent(instance=instance, run=run, signal=signal, reached=reached))]

    def tell(self, run: Position, instance: str, signal: str) -> list[Draft]:
        """Send a signal that does not ask to end to the service's own process, not to what it has started."""
        watch, number = self._watched.get(run), getattr(signals, f"SIG{signal}", None)
        process = self._system.look(watch.pid) if watch is not None and watch.pid else None
        reached = len(self._system.send([process], number)) if process is not None and number is not None else 0
        return [Draft(SignalSent(instance=instance, run=run, signal=signal, reached=reached))]

    def adopt(self, run: Position, instance: str) -> list[Draft]:
        """What became of a run of an earlier supervisor; see `Processes.adopt`."""
        give_up_at = time.monotonic() + ADOPTION_WAIT_SECONDS
        while True:
            try:
                record = posix_record.read(self._path(run))
            except FileNotFoundError:
                self._claim_for_good(run, instance)
                return [Draft(RunAbandoned(instance=instance, run=run))]
            settled = not record.held or (record.pid and record.status is None)
            if settled or time.monotonic() > give_up_at:
                break
            time.sleep(ADOPTION_LOOK_SECONDS)
        watch = Watch(run, instance, 0, record.pid, record.shim)
        if event := self._found(watch, record):
            return [Draft(event)]
        self._watched[run] = watch
        self._later(self._adopt_later, watch)
        return []

    def begun(self) -> dict[Position, str]:
        """Every run that was begun here and is not forgotten, with its instance."""
        return run_files.begun(self.runs)

    def forget(self, run: Position) -> None:
        """Remove what was kept to find the run again; called once its end is recorded."""
        self._path(run).unlink(missing_ok=True)

    # -- beginning -----------------------------------------------------------------------------

    def _begun(self, watch: Watch) -> RunStarted | RunRefused | RunExited | None:
        """Its start, once the shim has told the pid; its refusal, or its end by our signal, when there will be none."""
        record = self._read(watch)
        if not record.pid and record.held:
            return None
        watch.announced = True
        if record.pid:
            watch.pid = record.pid
            process = self._system.look(record.pid)
            made = process.created if process else 0
            watch.since = max(0, made - self._system.second)
            return RunStarted(instance=watch.instance, run=watch.run, pid=record.pid, created=made)
        self._drop(watch)
        if watch.asked:
            return RunExited(instance=watch.instance, run=watch.run, signal=watch.asked, detail="before it began")
        self.forget(watch.run)
        return posix_launch.refused_by_shell(watch.run, watch.instance, record.messages)

    def _begin_later(self, watch: Watch, seconds: float) -> None:
        if watch.announced:
            return
        if event := self._begun(watch):
            self._post(Draft(event, watch.run))
        else:
            self._later(self._begin_later, watch, seconds)

    # -- finding again -------------------------------------------------------------------------

    def _claim_for_good(self, run: Position, instance: str) -> None:
        """Make sure that a run which never began never will."""
        with contextlib.suppress(OSError):
            Claim(self._path(run), run, instance).close()

    def _found(self, watch: Watch, record: Record) -> Event | None:
        """What became of it; None while its shim lives and has not said a pid."""
        if record.held and not record.pid:
            return None
        watch.pid, watch.session = record.pid, record.shim
        if record.held or (record.pid and record.status is None):
            if self._follow(watch, record.shim, record) or self._follow(watch, record.pid, record):
                return RunAdopted(instance=watch.instance, run=watch.run, pid=watch.pid)
            if record.held:
                self._watched[watch.run] = watch
                self._later(self._clean_up, watch)
                return RunAdopted(instance=watch.instance, run=watch.run, pid=watch.pid)
        if not record.pid:
            return RunAbandoned(instance=watch.instance, run=watch.run)
        return exited(watch.run, watch.instance, record, self._shell)

    def _adopt_later(self, watch: Watch, seconds: float) -> None:
        record = self._read(watch)
        event = self._found(watch, record)
        if event is None:
            return self._later(self._adopt_later, watch, seconds)
        if not isinstance(event, RunAdopted):
            self._drop(watch)
        return self._post(Draft(event))

    # -- watching ------------------------------------------------------------------------------

    def _open(self, watch: Watch, seconds: float = 0.0) -> None:
        """Watch the shim that we have just started: until it is reaped, its pid is its own."""
        try:
            handle = self._system.watch(watch.leader)
        except OSError:  # too many open files: it waits for us
            return self._later(self._open, watch, seconds)
        return self._watch(watch, handle)

    def _watch(self, watch: Watch, handle: int) -> None:
        if self._sweeping is None:
            self._sweep()
        self._watched[watch.run] = watch
        watch.handle = handle
        asyncio.get_running_loop().add_reader(handle, self._ended, watch)

    def _follow(self, watch: Watch, pid: int, record: Record) -> bool:
        """Watch that process if it is the run's: a handle first, then a look at who it is."""
        try:
            handle = self._system.watch(pid)
        except (OSError, ValueError):
            return False
        process = self._system.look(pid)
        alive = process is not None and not process.zombie
        in_session = alive and record.held and process is not None and process.session == record.shim
        if not in_session and not (alive and Tree(self._system, self._path(watch.run)).owns(pid)):
            self._system.unwatch(handle)
            return False
        watch.leader = pid if pid == record.shim else 0
        watch.since = max(0, process.created - self._system.second) if process else 0
        self._watch(watch, handle)
        return True

    def _drop(self, watch: Watch) -> None:
        self._watched.pop(watch.run, None)
        self._close(watch)

    def _close(self, watch: Watch) -> int | None:
        """Follow it no longer; the wait status of the shim, if that was followed and is our child."""
        if watch.handle >= 0:
            asyncio.get_running_loop().remove_reader(watch.handle)
            self._system.unwatch(watch.handle)
            watch.handle = -1
        leader, watch.leader = watch.leader, 0
        return reap(leader, 0) if leader else None  # it is dead or dying, so this does not take long

    # -- ending --------------------------------------------------------------------------------

    def _ended(self, watch: Watch) -> None:
        """The watched process ended: with everything that it started, or there is more to do."""
        record = self._read(watch)
        watch.pid = record.pid
        shim_ended = watch.leader > 0
        if shim_ended and record.status is not None and not watch.asked:
            kill_group(watch.leader)  # before the leader is reaped: until then the number is its own
        if not shim_ended and self._status_is_still_to_come(watch):
            return
        shim_status = self._close(watch)
        if shim_ended and record.status is None:
            if self._follow(watch, record.pid, record):
                return
            # They died together: it came to us, or the shim reaped it and could not write that down any more.
            watch.wait_status = reap(record.pid)
            if watch.wait_status is None and shim_status is not None:
                watch.wait_status, watch.with_shim = shim_status, True
        if self._is_gone(watch, record):
            self._finish(watch, record)
        else:
            watch.left_behind = not watch.asked
            self._later(self._clean_up, watch)

    def _is_gone(self, watch: Watch, record: Record) -> bool:
        """Whether nothing of it is left; only what an earlier supervisor began needs the whole process table."""
        if record.held or group_lives(watch.session):
            return False
        if not watch.here:
            return not self._tree(watch).members()
        tree = Tree(self._system, self._path(watch.run), since=watch.since)
        return not any(it.session == watch.session or tree.owns(it.pid) for it in self._orphans())

    def _status_is_still_to_come(self, watch: Watch) -> bool:
        """A service without its shim is reaped by init, a moment after its end; only then its status can be had."""
        watch.wait_status = reap(watch.pid)
        if watch.wait_status is None:
            watch.wait_status = self._system.status(watch.pid, watch.handle)
        watch.looks += 1
        if watch.wait_status is not None or watch.looks > STATUS_LOOKS_MAX:
            return False
        loop = asyncio.get_running_loop()
        loop.remove_reader(watch.handle)
        loop.call_later(LOOK_AGAIN_SECONDS, self._ended, watch)
        return True

    def _clean_up(self, watch: Watch, seconds: float = 0.0) -> None:
        """Others were left behind: they are asked if the service was asked, killed if it was not, and waited for."""
        record = self._read(watch)
        first, now = not watch.cleaning_since, time.monotonic()
        watch.cleaning_since = watch.cleaning_since or now
        took_seconds = now - watch.cleaning_since
        if watch.asked and took_seconds > PATIENCE_SECONDS:
            watch.asked, watch.cleaning_since = "", now
        tree = self._tree(watch)
        if watch.asked:
            members = tree.members()
            left = len(members)
            if first:
                self._system.send(members, getattr(signals, f"SIG{watch.asked}"))
        else:
            left = tree.send(signals.SIGKILL)
            watch.left_behind = watch.left_behind or left > 0
        if not (left or record.held) or (not watch.asked and took_seconds > CLEAN_UP_SECONDS):
            return self._finish(watch, record)
        return self._later(self._clean_up, watch, seconds)

    def _finish(self, watch: Watch, record: Record) -> None:
        self._drop(watch)
        if not watch.announced and (begun := self._begun(watch)):
            self._post(Draft(begun, watch.run))
        if not record.pid:
            return
        details = ["the shell that watched it ended with it"] if watch.with_shim else []
        if watch.left_behind:
            details.append("what it left behind was killed")
        if record.held:
            details.append("something that this user may not see or kill has survived it")
        end = exited(watch.run, watch.instance, record, self._shell, watch.wait_status, "; ".join(details))
        self._post(Draft(end))

    # -- helpers -------------------------------------------------------------------------------

    def _path(self, run: Position) -> Path:
        return self.runs / str(run)

    def _tree(self, watch: Watch) -> Tree:
        """Who belongs to the run; of our own orphans also those that have only its session left."""
        ours = (it.pid for it in self._orphans() if watch.here and it.session == watch.session)
        return Tree(self._system, self._path(watch.run), watch.leader, frozenset(ours), watch.since)

    def _orphans(self) -> list[Process]:
        """Those of our children that are alive and that we did not start."""
        pids = self._system.children() - {watch.leader for watch in self._watched.values()}
        return [process for pid in pids if (process := self._system.look(pid)) is not None and not process.zombie]

    def _sweep(self) -> None:
        self._zombies.look({watch.leader for watch in self._watched.values()})
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _read(self, watch: Watch) -> Record:
        return posix_record.read(self._path(watch.run))

    def _later(self, call: Callable[[Watch, float], None], watch: Watch, seconds: float = 0.0) -> None:
        """Call it soon, after twice the time that it waited before; again when the system is short of something."""
        delay = min(max(LOOK_AGAIN_SECONDS, seconds * 2), LOOK_AGAIN_SECONDS_MAX)

        def again() -> None:
            try:
                call(watch, delay)
            except FileNotFoundError:  # it was forgotten
                self._drop(watch)
            except OSError:
                self._later(call, watch, delay)

        asyncio.get_running_loop().call_later(delay, again)

    def _signal_before_it_began(self, watch: Watch, signal: str, number: int) -> int:
        """The shim has not said the service's pid yet: what there is of the run is ended with it."""
        watch.asked = signal
        return signal_group(self._system, watch.session, number, 0, 0)

    def _signal_group(self, watch: Watch, signal: str, number: int) -> int:
        """Signal the group that the service is in; the shim survives only what it traps."""
        service = self._system.look(watch.pid)
        group = service.group if service is not None and not service.zombie else watch.leader
        spared = watch.leader if signal not in SURVIVED_BY_SHIM else 0
        return signal_group(self._system, group, number, watch.leader, spared)
