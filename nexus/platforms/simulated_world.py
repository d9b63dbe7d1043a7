"""A seeded machine with faults: it outlives the supervisors that look at it, and the same seed is the same world.

Everything that happens by itself stands on one agenda, ordered by time and then by when it was entered.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import msgspec

from events.catalog import PortOwner
from events.envelope import Micros, Position
from nexus.platforms.base import Launch

SECOND = 1_000_000
START: Micros = 1_700_000_000 * SECOND

Trouble = Literal["missing", "crashing", "hanging", "answering badly"]
TROUBLES: tuple[Trouble, ...] = ("missing", "crashing", "hanging", "answering badly")
ENDS: tuple[tuple[int | None, str | None], ...] = ((0, None), (1, None), (2, None), (137, None), (None, "SEGV"))


class SupervisorKilled(BaseException):
    """The supervisor was killed here; no handler in it may catch this."""


class Faults(msgspec.Struct, frozen=True):
    """How bad the world is: chances for each start or act, and mean times between faults; 0 is never."""

    crash_seconds: float = 2400.0
    instant_crash: float = 0.02
    hang: float = 0.01
    slow_start: float = 0.05
    sick_every_seconds: float = 4800.0
    sick_for_seconds: float = 15.0
    grow_every_seconds: float = 3600.0
    ignores_term: float = 0.08
    straggler: float = 0.05
    port_race: float = 0.01
    trouble_every_seconds: float = 1200.0
    trouble_for_seconds: float = 25.0
    stranger_every_seconds: float = 600.0
    stranger_for_seconds: float = 120.0
    clock_step_every_seconds: float = 7200.0
    disk_full_every_seconds: float = 5400.0
    disk_full_for_seconds: float = 20.0
    disk_slow_every_seconds: float = 5400.0
    disk_slow_for_seconds: float = 10.0
    log_damage: float = 0.0002
    log_damage_at_start: float = 0.02
    reboot_every_seconds: float = 10_800.0
    kill_every_seconds: float = 2400.0
    kill_at_act: float = 0.0005


CALM = Faults(**dict.fromkeys(Faults.__struct_fields__, 0.0))


class Process(msgspec.Struct):
    """What one run really is: `over` where nothing of it is left, `main` while its first process lives."""

    run: Position
    instance: str
    pid: int
    begun: Micros
    ports: tuple[int, ...]
    ignores_term: bool = False
    leaves_seconds: float = 0.0
    main: bool = True
    paused: bool = False
    held_back: tuple[int | None, str | None] | None = None
    ready: bool = False
    sick: bool = False
    over: bool = False
    ended: Micros = 0
    exit_code: int | None = None
    signal: str | None = None

    @property
    def answers(self) -> bool:
        """Whether a probe would find it well."""
        return self.main and self.ready and not self.sick and not self.paused


class Onlooker(Protocol):
    """The supervisor that is alive now, as far as the world has to tell it something."""

    def ended(self, process: Process) -> None:
        """Nothing is left of a run."""

    def answers_otherwise(self, process: Process) -> None:
        """A probe would now find something else."""

    def clock_stepped(self, by_seconds: float) -> None:
        """The wall clock was set."""


class World:
    """The machine: its time, its processes, its ports, its disk, and what is going to happen."""

    def __init__(
        self,
        seed: int,
        faults: Faults,
        programs: Iterable[str] = (),
        tasks: Iterable[str] = (),
        ports: Iterable[int] = (),
    ) -> None:
        """`programs` may get into trouble, `tasks` are those of them that end by themselves, `ports` attract others."""
        self.random, self.faults = random.Random(seed), faults
        self.programs, self.tasks, self.wanted_ports = tuple(programs), frozenset(tasks), tuple(ports)
        self.time: Micros = START
        self.wall_ahead: Micros = 0
        self.processes: dict[Position, Process] = {}
        self.living: dict[Position, Process] = {}
        self.begun: dict[Position, str] = {}
        self.users: dict[int, Position] = {}
        self.strangers: dict[int, PortOwner] = {}
        self.held: set[int] = set()
        self.troubles: dict[str, Trouble] = {}
        self.disk_full = self.disk_slow = False
        self.counts: Counter[str] = Counter()
        self.onlooker: Onlooker | None = None
        self.watchers: list[Callable[[Process], None]] = []
        self._agenda: list[tuple[Micros, int, Callable[[], None]]] = []
        self._entered, self._pids = 0, 100
        self._begin_faults()

    # -- time ------------------------------------------------------------------------------------

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Enter something on the agenda."""
        self._entered += 1
        heapq.heappush(self._agenda, (self.time + int(seconds * SECOND), self._entered, what))

    def happen(self, until: Micros | None) -> bool:
        """Let the next thing happen, unless it is due after `until`; whether there was one."""
        if not self._agenda or (until is not None and self._agenda[0][0] > until):
            return False
        at, _, what = heapq.heappop(self._agenda)
        self.time = max(self.time, at)
        what()
        return True

    def pass_time(self, seconds: float) -> None:
        """Let time pass while no supervisor looks."""
        until = self.time + int(seconds * SECOND)
        while self.happen(until):
            pass
        self.time = max(self.time, until)

    def chance(self, probability: float) -> bool:
        """Throw the dice; nothing is thrown for what never happens."""
        return probability > 0 and self.random.random() < probability

    def some_seconds(self, mean: float) -> float:
        """A time with that mean, as long as the last ones say nothing about the next."""
        return self.random.expovariate(1 / mean)

    # -- the supervisor --------------------------------------------------------------------------

    def risk(self, where: str) -> None:
        """Perhaps the supervisor is killed just here."""
        if self.chance(self.faults.kill_at_act):
            self.kill_supervisor(where)

    def kill_supervisor(self, where: str) -> None:
        """End it without a word: what it held is free, what it started lives on. Raises SupervisorKilled."""
        self.counts[f"supervisor killed {where}"] += 1
        self.forget_supervisor()
        raise SupervisorKilled(where)

    def forget_supervisor(self) -> None:
        """Nobody looks any more, and the ports that were held are free."""
        self.onlooker = None
        self.held.clear()

    # -- processes -------------------------------------------------------------------------------

    def begin(self, run: Position, launch: Launch) -> Process:
        """A process for a run, with the fate that chance gives it."""
        self._pids += 1
        faults, program = self.faults, launch.argv[0]
        process = Process(run, launch.instance, self._pids, self.time, tuple(launch.ports))
        self.processes[run] = self.living[run] = process
        self.begun[run] = launch.instance
        for port in process.ports:
            self.users[port] = run
        for watcher in self.watchers:
            watcher(process)
        process.ignores_term = self._fault("ignores TERM", faults.ignores_term)
        if self._fault("leaves a straggler", faults.straggler):
            process.leaves_seconds = self.some_seconds(30)
        trouble = self.troubles.get(program)
        if trouble == "crashing" or self._fault("crashes at once", faults.instant_crash):
            self.later(self.random.random() * 0.05, lambda: self.exit(process, 1))
        elif trouble == "hanging" or self._fault("never gets ready", faults.hang):
            process.ready = False
        else:
            slow = self._fault("starts slowly", faults.slow_start)
            self.later(self.random.random() * (30.0 if slow else 0.5), lambda: self._ready(process))
        if trouble == "answering badly":
            self.later(self.random.random() * 5, lambda: self._sicken(process))
        if program in self.tasks:
            self.later(self.random.random() * 20, lambda: self.exit(process, 0))
        self._age(process)
        return process

    def _fault(self, name: str, probability: float) -> bool:
        hit = self.chance(probability)
        self.counts[name] += hit
        return hit

    def _age(self, process: Process) -> None:
        if self.faults.crash_seconds:
            self.later(self.some_seconds(self.faults.crash_seconds), lambda: self._crash(process))
        if self.faults.sick_every_seconds:
            self.later(self.some_seconds(self.faults.sick_every_seconds), lambda: self._sicken(process))

    def _ready(self, process: Process) -> None:
        if process.main and not process.ready:
            process.ready = True
            self._tell(process)

    def _tell(self, process: Process) -> None:
        if self.onlooker:
            self.onlooker.answers_otherwise(process)

    def _crash(self, process: Process) -> None:
        if process.main and self.faults.crash_seconds:
            self.counts["crashes"] += 1
            self.exit(process, *self.random.choice(ENDS))

    def _sicken(self, process: Process) -> None:
        if process.main and not process.sick and self.faults.sick_every_seconds:
            self.counts["answers badly"] += 1
            process.sick = True
            self._tell(process)
            self.later(self.some_seconds(self.faults.sick_for_seconds), lambda: self._recover(process))

    def _recover(self, process: Process) -> None:
        process.sick = False
        if process.main:
            self._tell(process)
            if self.faults.sick_every_seconds:
                self.later(self.some_seconds(self.faults.sick_every_seconds), lambda: self._sicken(process))

    def exit(self, process: Process, exit_code: int | None, signal: str | None = None) -> None:
        """Its first process ends; the run is over once nothing is left that it started."""
        if not process.main:
            return
        if process.paused:
            process.held_back = exit_code, signal
            return
        process.main, process.exit_code, process.signal = False, exit_code, signal
        if process.leaves_seconds and exit_code != 0:
            self._tell(process)
            self.later(process.leaves_seconds, lambda: self.vanish(process))
        else:
            self.vanish(process)

    def go_on(self, process: Process) -> None:
        """It stands still no longer, and what it was told meanwhile reaches it."""
        process.paused = False
        if process.held_back is not None:
            ends = process.held_back
            self.later(self.random.random() * 0.01, lambda: self.exit(process, *ends))

    def vanish(self, process: Process) -> None:
        """Nothing of a run is left."""
        if process.over:
            return
        process.main, process.over, process.ended = False, True, self.time
        del self.living[process.run]
        for port in process.ports:
            if self.users.get(port) == process.run:
                del self.users[port]
        if self.onlooker:
            self.onlooker.ended(process)

    # -- ports -----------------------------------------------------------------------------------

    def owner(self, port: int) -> PortOwner | None:
        """Who has a port open: a stranger, or one of the runs."""
        run = self.users.get(port)
        if run is not None:
            return PortOwner(self.processes[run].pid, self.processes[run].instance)
        return self.strangers.get(port)

    def strange(self, port: int, seconds: float) -> None:
        """A stranger takes a port, if it is free."""
        if port in self.strangers or port in self.users or port in self.held:
            return
        self._pids += 1
        self.counts["a stranger takes a port"] += 1
        self.strangers[port] = PortOwner() if self.chance(0.2) else PortOwner(self._pids, "stranger")

        def leave() -> None:
            self.strangers.pop(port, None)

        self.later(seconds, leave)

    # -- faults that come by themselves ------------------------------------------------------------

    def _begin_faults(self) -> None:
        faults = self.faults
        for mean, what in (
            (faults.trouble_every_seconds, self._trouble),
            (faults.stranger_every_seconds, self._stranger),
            (faults.clock_step_every_seconds, self._step_clock),
            (faults.disk_full_every_seconds, self._fill_disk),
            (faults.disk_slow_every_seconds, self._slow_disk),
            (faults.reboot_every_seconds, self._reboot),
            (faults.kill_every_seconds, self._kill),
        ):
            if mean:
                self._again(mean, what)

    def _again(self, mean: float, what: Callable[[], None]) -> None:
        def happens() -> None:
            if self.faults is not CALM:
                self._again(mean, what)
                what()

        self.later(self.some_seconds(mean), happens)

    def calm(self) -> None:
        """From now on nothing goes wrong, and what was wrong is mended."""
        self.faults = CALM
        self.troubles.clear()
        self.strangers.clear()
        self.disk_full = self.disk_slow = False
        for process in list(self.living.values()):
            process.ignores_term = False
            self._ready(process)
            if process.sick:
                self._recover(process)

    def _trouble(self) -> None:
        if not self.programs:
            return
        program, trouble = self.random.choice(self.programs), self.random.choice(TROUBLES)
        self.counts[f"a program is {trouble}"] += 1
        self.troubles[program] = trouble
        self.later(self.some_seconds(self.faults.trouble_for_seconds), lambda: self._mend(program))
        for process in list(self.living.values()):
            if process.instance.rpartition(".")[0] == program:
                self.later(self.random.random() * 2, lambda it=process: self._crash(it))  # type: ignore[misc]

    def _mend(self, program: str) -> None:
        self.troubles.pop(program, None)

    def _stranger(self) -> None:
        for port in self.random.sample(self.wanted_ports, min(len(self.wanted_ports), self.random.randint(1, 6))):
            self.strange(port, self.some_seconds(self.faults.stranger_for_seconds))

    def _step_clock(self) -> None:
        by_seconds = self.random.choice([-1, 1]) * self.random.choice([3.0, 60.0, 3600.0, 86_400.0])
        self.counts["the clock is stepped"] += 1
        self.wall_ahead += int(by_seconds * SECOND)
        if self.onlooker:
            self.onlooker.clock_stepped(by_seconds)

    def _fill_disk(self) -> None:
        self.counts["the disk is full"] += 1
        self.disk_full = True
        self.later(self.some_seconds(self.faults.disk_full_for_seconds), self._mend_disk)

    def _slow_disk(self) -> None:
        self.counts["the disk is slow"] += 1
        self.disk_slow = True
        self.later(self.some_seconds(self.faults.disk_slow_for_seconds), self._mend_disk)

    def _mend_disk(self) -> None:
        self.disk_full = self.disk_slow = False

    def _reboot(self) -> None:
        watched = self.onlooker is not None
        self.forget_supervisor()
        for process in list(self.living.values()):
            process.exit_code = process.signal = None
            self.vanish(process)
        self.strangers.clear()
        self.counts["the machine restarts"] += 1
        if watched:
            raise SupervisorKilled("with the machine")

    def _kill(self) -> None:
        if self.onlooker:
            self.kill_supervisor("while it waits")
