"""Every kind of event and every declared type: pure data, one class a kind, named in the past tense.

A kind is the class's name, dotted: `RunExited` is `run.exited`, `ServiceGivenUp` is `service.given_up`.
A class that changes its fields raises its `schema` and gets an upcaster in `events.codec`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import ClassVar, Literal

import msgspec

Value = str | int | float | bool | None
"""What a decision may quote: plain values only, so that the log can show them to a person."""

Condition = Literal["started", "healthy", "completed"]
ProbeKind = Literal["http", "tcp", "exec", "postgres"]
RestartWhen = Literal["always", "on failure", "never"]
Severity = Literal["info", "warning", "critical"]
Priority = Literal["high", "normal", "low"]
EndpointSource = Literal["declared", "openapi", "asyncapi", "graphql", "health", "traffic"]
Verb = Literal[
    "up", "down", "detach", "start", "stop", "restart", "pause", "resume", "signal", "scale", "reload", "lease",
    "release",
    "mark", "unmark",
]  # fmt: skip
Mode = Literal["off", "propose", "on"]


def _kind(name: str) -> str:
    noun, *rest = re.findall(r"[A-Z][a-z0-9]*", name)
    return f"{noun}.{'_'.join(rest)}".lower().rstrip(".")


# -- declared types ----------------------------------------------------------------------------


class PortRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port that a service needs: `fixed` is the number it insists on, None lets Nexus choose.

    It is chosen from `first` to `last`, from the pool where they are 0.
    """

    name: str = "main"
    fixed: int | None = None
    host: str = "127.0.0.1"
    protocol: Literal["tcp", "udp"] = "tcp"
    first: int = 0
    last: int = 0


class Probe(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a service is asked whether it is well: `target` is a path, a command or a database name."""

    kind: ProbeKind = "tcp"
    target: str = ""
    port: str = "main"
    interval_seconds: float = 5.0
    timeout_seconds: float = 2.0
    unhealthy_after: int = 3


class Restart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What follows a failure: one delay for each try, all forgotten after `reset_after_seconds` of health.

    `attempts_max` is the number of delays where it is None; beyond the last delay, that one repeats.
    """

    when: RestartWhen = "always"
    delays_seconds: tuple[float, ...] = (1.0, 2.0, 4.0)
    attempts_max: int | None = None
    reset_after_seconds: float = 10.0
    on_unhealthy: bool = True
    stop_dependents: bool = True

    @property
    def tries(self) -> int:
        """How often a failed instance is tried again before it is given up."""
        return len(self.delays_seconds) if self.attempts_max is None else self.attempts_max

    def delay_seconds(self, attempt: int) -> float:
        """How long to wait before try number `attempt`, 1 for the first."""
        return self.delays_seconds[min(attempt, len(self.delays_seconds)) - 1] if self.delays_seconds else 0.0


class Api(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a service's endpoints become known: it is `asked`, at `document` or at the usual paths, or declares them.

    `tested` says that those which are safe to ask may be tried.
    """

    asked: bool = True
    document: str = ""
    endpoints: tuple[str, ...] = ()
    tested: bool = False


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """A method on a path, with `{}` around what varies; `name` tells several at one path apart, as in GraphQL."""

    method: str
    path: str
    name: str = ""
    summary: str = ""


class RouteLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the gateway lets through to the paths that `path` names, such as `/upload/*`; None where it is unbounded."""

    path: str = "/*"
    body_max_bytes: int | None = None
    timeout_seconds: float | None = None


class RouteUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was asked of one route in a while.

    `statuses` counts by class, `2` for 200 to 299; `latencies` by quarter of a power of two of microseconds; `callers`
    by the first word of their User-Agent.
    """

    service: str
    method: str
    path: str
    count: int
    statuses: dict[int, int] = {}
    latencies: dict[int, int] = {}
    received_bytes: int = 0
    sent_bytes: int = 0
    callers: dict[str, int] = {}


class Exposure(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the gateway leads to a service; `sticky` keeps a caller with one instance, `port` None means the main one."""

    open: bool = True
    port: str | None = None
    sticky: bool = False
    drain_seconds: float = 5.0
    limits: tuple[RouteLimit, ...] = ()


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run may use of the machine, None or empty for as much as there is; it can be changed while it runs."""

    priority: Priority = "normal"
    cpus: tuple[int, ...] = ()
    open_files: int | None = None
    processes: int | None = None


class MemoryMax(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much resident memory an instance may have with all that it started, and what follows when it has more."""

    max_bytes: int
    then: Literal["restart", "alert"] = "restart"


class Predict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What may be done about an expected start: hold the service's ports, start it ahead."""

    ports: Literal["off", "on"] = "on"
    start: Mode = "propose"


class UtcOffset(msgspec.Struct, frozen=True):
    """From the moment `since` (µs UTC) on, local time is so many seconds ahead of UTC."""

    since: int
    seconds: int


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is declared of a service; environment values are known by name only.

    `digest` tells whether one of them has changed: it is made with a key that the log does not have.
    """

    name: str
    command: tuple[str, ...]
    directory: str = ""
    user: str = ""
    category: str = ""
    depends_on: dict[str, Condition] = {}
    ports: tuple[PortRequest, ...] = ()
    probe: Probe | None = None
    restart: Restart = Restart()
    start_timeout_seconds: float = 60.0
    stop_timeout_seconds: float = 10.0
    stop_signal: str = "TERM"
    environment: tuple[str, ...] = ()
    autostart: bool = True
    task: bool = False
    replicas: int = 1
    replicas_max: int | None = None
    reload_signal: str = ""
    groups: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    digest: str = ""
    api: Api = Api()
    gateway: Exposure = Exposure()
    limits: Limits = Limits()
    memory: MemoryMax | None = None
    predict: Predict = Predict()


class PortPool(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ports that Nexus may choose from, both ends included, and those it must leave alone."""

    first: int = 20_000
    last: int = 32_767
    excluded: tuple[int, ...] = ()


class PortRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the machine does with ports by itself.

    It hands out those of the `ephemeral` range, keeps the `reserved` ranges back, and gives those below
    `privileged_below` to nobody without more rights. `user` numbers the people of the machine, 0 for the first.
    """

    ephemeral: tuple[int, int] = (0, 0)
    reserved: tuple[tuple[int, int], ...] = ()
    privileged_below: int = 0
    user: int = 0


class PortOwner(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who holds a port, as far as the operating system tells us."""

    pid: int | None = None
    command: str | None = None
    user: str | None = None
    since: int | None = None
    service: str | None = None
    instance: str | None = None
    container: str | None = None

    def __str__(self) -> str:
        if self.pid is None:
            return f"a process of user {self.user}" if self.user else "a process that this user may not see"
        since = f", since {_clock_time(self.since)}" if self.since else ""
        inside = f", in container {self.container}" if self.container else ""
        return f"{self.command or 'a process'} (pid {self.pid}, user {self.user or 'unknown'}{since}{inside})"


def _clock_time(at: int) -> str:
    """A moment (µs UTC) as people read it: `2026-03-01 14:02:11Z`."""
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m-%d %H:%M:%S}Z"


class Rejected(msgspec.Struct, frozen=True):
    """An option that was not taken, and why."""

    option: str
    reason: str


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """What was used in a stretch of time: `cpu` in cores, memory that is resident, disk in KiB over the whole stretch.

    `own_memory_kib` counts memory that is shared with others by its share; None is what the system does not tell.
    """

    cpu_mean: float
    cpu_max: float
    memory_mean_kib: int
    memory_max_kib: int
    own_memory_kib: int | None
    processes: int
    threads: int
    files: int | None
    read_kib: int | None
    written_kib: int | None


class DiskUsage(msgspec.Struct, frozen=True, array_like=True):
    """The room on the disk that a folder lies on."""

    free_mib: int
    total_mib: int


class MachineUsage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the whole machine has, and how much of it is used; `disks` by folder."""

    cores: int = 0
    cpu: float = 0.0
    memory_total_kib: int = 0
    memory_available_kib: int = 0
    disks: dict[str, DiskUsage] = {}


# -- the bases ---------------------------------------------------------------------------------


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag=_kind):
    """Something that happened."""

    schema: ClassVar[int] = 1

    @classmethod
    def kind(cls) -> str:
        """The word that names this kind of event in the log, such as `run.exited`."""
        return str(cls.__struct_config__.tag)

    @property
    def stream(self) -> str:
        """What the event is about: `nexus`, `service/NAME` or `port/NUMBER`."""
        return "nexus"


class InstanceEvent(Event, frozen=True, kw_only=True):
    """Something that concerns one instance of a service."""

    instance: str

    @property
    def service(self) -> str:
        """The service that the instance is a replica of."""
        return service_of(self.instance)

    @property
    def stream(self) -> str:
        return f"service/{self.service}"


def service_of(instance: str) -> str:
    """The service that an instance is a replica of: `web` of `web.2`."""
    return instance.rpartition(".")[0]


class RunEvent(InstanceEvent, frozen=True, kw_only=True):
    """Something that concerns one run, named by the position of the decision that started it."""

    run: int


class Decision(Event, frozen=True, kw_only=True):
    """Something that is going to be done: the rule that says so, the values used, the options rejected."""

    rule: str
    values: dict[str, Value] = {}
    rejected: tuple[Rejected, ...] = ()


class InstanceDecision(Decision, frozen=True, kw_only=True):
    """A decision about one instance of a service."""

    instance: str

    @property
    def service(self) -> str:
        """The service that the instance is a replica of."""
        return service_of(self.instance)

    @property
    def stream(self) -> str:
        return f"service/{self.service}"


# -- observations: the supervisor and its log ----------------------------------------------------


class LogOpened(Event, frozen=True, kw_only=True):
    """A log file was begun; after the first file, the books of the previous one were closed into `state`.

    A bundle begins with one for the reason `bundled`, in the place of the event `previous_seq` that came before it.
    """

    log_id: str
    previous_file: str | None = None
    previous_seq: int = 0
    previous_hash: str = ""
    reason: Literal["created", "rotated", "damaged", "bundled"] = "created"
    state: msgspec.Raw = msgspec.Raw(b"null")


class LogSlow(Event, frozen=True, kw_only=True):
    """The disk took longer than it should to make events durable."""

    append_seconds: float
    limit_seconds: float


class LogFull(Event, frozen=True, kw_only=True):
    """The disk is full; the ballast was freed so that services can still be kept alive."""

    freed_bytes: int
    error: str


class LogDamaged(Event, frozen=True, kw_only=True):
    """A log file was found damaged and put aside; what was known up to `last_good` is kept."""

    file: str
    problem: str
    last_good: int


class SupervisorStarted(Event, frozen=True, kw_only=True):
    """A supervisor took over: it has looked at the world and knows which runs are still alive.

    `zone` names its local time, `utc_offsets` say how far that is ahead of UTC in the next years.
    """

    pid: int
    version: str = ""
    platform: str = ""
    home: str = ""
    machine: PortRules = PortRules()
    zone: str = ""
    utc_offsets: tuple[UtcOffset, ...] = ()


class SupervisorStopped(Event, frozen=True, kw_only=True):
    """A supervisor ended in good order."""

    pid: int
    services_left_running: tuple[str, ...] = ()


class ClockStepped(Event, frozen=True, kw_only=True):
    """The wall clock jumped against the monotonic clock."""

    by_seconds: float


class ConfigurationLoaded(Event, frozen=True, kw_only=True):
    """The declared services were read; this is what is wanted from now on.

    `worktree` names the linked git worktree that they were read in, so that each one keeps ports of its own.
    """

    project: str
    path: str = ""
    services: dict[str, Service] = {}
    pool: PortPool = PortPool()
    worktree: str = ""


class ConfigurationRefused(Event, frozen=True, kw_only=True):
    """A changed configuration could not be used, and nothing was changed: `problem` names file, line and key."""

    problem: str


class CommandReceived(Event, frozen=True, kw_only=True):
    """Somebody asked for something; `command_id` makes asking twice the same as asking once.

    `arguments` of `up` may be its `profiles`, joined by commas; those of `restart` say whether it is `rolling`, that of
    `signal` names the `signal`, that of `scale` is the wanted number of `instances`, that of `reload` says whether the
    configuration `changed`. Those of `lease` and `release` name the lease: `lease`, and for the former perhaps `first`
    and `last` port and `term_seconds`; those of `mark` and `unmark` name the incident: `incident`, and for the former
    its `first` and `last` event.
    """

    verb: Verb
    services: tuple[str, ...] = ()
    command_id: str = ""
    arguments: dict[str, Value] = {}

    @property
    def stream(self) -> str:
        return f"service/{self.services[0]}" if len(self.services) == 1 else "nexus"


class DeadlineReached(Event, frozen=True, kw_only=True):
    """A moment that a decision had recorded has come; `key` is `purpose:instance`."""

    key: str
    due: int

    @property
    def stream(self) -> str:
        _, _, instance = self.key.partition(":")
        return f"service/{service_of(instance)}" if "." in instance else "nexus"


# -- observations: resources ---------------------------------------------------------------------


class ResourcesMeasured(Event, frozen=True, kw_only=True):
    """What was used since `since`, a minute at most, by each instance with everything that it started, and by Nexus."""

    since: int
    instances: dict[str, Usage] = {}
    supervisor: Usage | None = None
    machine: MachineUsage = MachineUsage()


class MemoryExceeded(RunEvent, frozen=True, kw_only=True):
    """An instance has more memory than it may have, and has had so for `seconds`."""

    memory_bytes: int
    limit_bytes: int
    seconds: float


class MemoryRecovered(RunEvent, frozen=True, kw_only=True):
    """An instance that had more memory than it may have has given enough of it back."""

    memory_bytes: int


class LimitsApplied(RunEvent, frozen=True, kw_only=True):
    """The limits of a run were set as far as the system allows: `applied` in words, and what it `refused`."""

    applied: tuple[str, ...] = ()
    refused: tuple[Rejected, ...] = ()


class SamplesSealed(Event, frozen=True, kw_only=True):
    """An hour of samples was compressed and will not change any more; `digest` is the SHA-256 of its file."""

    file: str
    since: int
    until: int
    ticks: int
    instances: int
    size_bytes: int
    digest: str
    damaged_bytes: int = 0


class SamplesRetired(Event, frozen=True, kw_only=True):
    """A sealed hour was removed; its digest tells that it once was there."""

    file: str
    digest: str
    reason: str


class SamplesDropped(Event, frozen=True, kw_only=True):
    """Samples of this stretch of time could not be kept."""

    since: int
    until: int
    reason: str


# -- observations: runs --------------------------------------------------------------------------


class RunStarted(RunEvent, frozen=True, kw_only=True):
    """The process of a run exists."""

    pid: int
    created: int = 0


class RunAdopted(RunEvent, frozen=True, kw_only=True):
    """A run that an earlier supervisor started was found alive and is watched again."""

    pid: int


class RunRefused(RunEvent, frozen=True, kw_only=True):
    """The operating system would not start a run."""

    error: str
    advice: str = ""
    port: int | None = None
    owner: PortOwner | None = None


class RunAbandoned(RunEvent, frozen=True, kw_only=True):
    """A run was decided, never began, and now never will."""


class RunExited(RunEvent, frozen=True, kw_only=True):
    """The process of a run ended, and with it everything that it had started.

    `exit_code` is None when a signal ended it or when nobody saw it end; `signal` is its name, `"TERM"`.
    """

    exit_code: int | None = None
    signal: str | None = None
    detail: str = ""


class SignalSent(RunEvent, frozen=True, kw_only=True):
    """A signal was delivered to the processes of a run; `reached` counts them."""

    signal: str
    reached: int


class RunDrained(RunEvent, frozen=True, kw_only=True):
    """Nobody is led to a run any more, and no request is under way to it."""


class ProbePassed(RunEvent, frozen=True, kw_only=True):
    """A run was found well: its first answer, or the first good one after failures."""

    detail: str = ""
    took_seconds: float = 0.0


class ProbeFailed(RunEvent, frozen=True, kw_only=True):
    """A run did not answer as it should: `failures` in a row, of `limit` that make it unhealthy."""

    failures: int
    limit: int = 3
    detail: str


class TrafficObserved(Event, frozen=True, kw_only=True):
    """What the gateway was asked in a while of `seconds`; `lost` requests are not counted in it."""

    seconds: float
    routes: tuple[RouteUse, ...] = ()
    lost: int = 0


# -- observations: ports -------------------------------------------------------------------------


class PortHeld(Event, frozen=True, kw_only=True):
    """A port is held for a lease: nobody else can take it."""

    lease: str
    port: int

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


class PortRefused(Event, frozen=True, kw_only=True):
    """A port could not be held for a lease."""

    lease: str
    port: int
    reason: str
    owner: PortOwner | None = None

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


class PortOpened(Event, frozen=True, kw_only=True):
    """A socket that waits for others was opened, or has other owners now; `instance` names the one of ours that has it.

    No owners means that this user may not see them. A `bound` one does not listen yet. A `brief` one was gone again
    before anybody could look who had it.
    """

    port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    address: str
    owners: tuple[PortOwner, ...] = ()
    instance: str = ""
    bound: bool = False
    brief: bool = False

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


class PortClosed(Event, frozen=True, kw_only=True):
    """The last socket that waited for others at this address was closed."""

    port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    address: str

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


# -- observations: endpoints ----------------------------------------------------------------------


class ServiceEvent(Event, frozen=True, kw_only=True):
    """Something that concerns a service as a whole."""

    service: str

    @property
    def stream(self) -> str:
        return f"service/{self.service}"


class EndpointsDiscovered(ServiceEvent, frozen=True, kw_only=True):
    """What a service offers by one source is new or has changed: `endpoints` are all of them now.

    `document` is the digest of what the service says of itself at `path`; it is kept outside the log. `omitted` counts
    endpoints beyond those that fit. `breaking` says in words what its callers can't rely on any more.
    """

    source: EndpointSource
    path: str = ""
    document: str = ""
    title: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    omitted: int = 0
    breaking: tuple[str, ...] = ()


class DocumentQuarantined(ServiceEvent, frozen=True, kw_only=True):
    """What a service says of itself at `path` can't be used; the last good document stays."""

    path: str
    reason: str


# -- decisions -----------------------------------------------------------------------------------


class PortChosen(InstanceDecision, frozen=True, kw_only=True):
    """A port was chosen for a service's lease and is to be held."""

    lease: str
    port: int
    host: str = "127.0.0.1"
    protocol: Literal["tcp", "udp"] = "tcp"


class LeaseGranted(Decision, frozen=True, kw_only=True):
    """A port was chosen for a person or a program and is to be held so that only those who expect it can use it."""

    lease: str
    port: int

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


class LeaseReviewScheduled(Decision, frozen=True, kw_only=True):
    """A lease is to be looked at again at `due`."""

    lease: str
    due: int


class LeaseEnded(Decision, frozen=True, kw_only=True):
    """A person's or a program's lease is over; its port is to be let go."""

    lease: str
    port: int

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


class PortReleased(Decision, frozen=True, kw_only=True):
    """A lease is no longer needed; its port is to be let go."""

    lease: str
    port: int

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


class StartDecided(InstanceDecision, frozen=True, kw_only=True):
    """A run is to be started; its name is this decision's position. `ready_by` bounds its start.

    `attempt` is 0 for a start that answers no failure.
    """

    attempt: int = 0
    ports: dict[str, int] = {}
    ready_by: int | None = None


class DrainDecided(InstanceDecision, frozen=True, kw_only=True):
    """A run is to end: nobody is led to it any more, and who is with it may finish until `until`."""

    run: int
    until: int


class StopDecided(InstanceDecision, frozen=True, kw_only=True):
    """A run is asked to end; at `kill_at` it is no longer asked. `failure` says that it failed us.

    A `paused` one is let go on, since nothing that stands still can end in good order.
    """

    run: int
    signal: str = "TERM"
    kill_at: int = 0
    failure: str = ""
    paused: bool = False


class KillDecided(InstanceDecision, frozen=True, kw_only=True):
    """A run that did not end when asked is to be ended by force."""

    run: int


class PauseDecided(InstanceDecision, frozen=True, kw_only=True):
    """A run and everything that it started is to stand still."""

    run: int


class ResumeDecided(InstanceDecision, frozen=True, kw_only=True):
    """A run that stands still is to go on."""

    run: int


class SignalDecided(InstanceDecision, frozen=True, kw_only=True):
    """A signal that does not ask to end is to be sent to the first process of a run."""

    run: int
    signal: str


class RollingRestartStepped(InstanceDecision, frozen=True, kw_only=True):
    """The run of one instance is replaced next, while the others serve."""

    run: int


class RollingRestartEnded(Decision, frozen=True, kw_only=True):
    """Every run was replaced, or `problem` says why the others are left as they are."""

    service: str
    problem: str = ""

    @property
    def stream(self) -> str:
        return f"service/{self.service}"


class ScaleDecided(Decision, frozen=True, kw_only=True):
    """A service is to have so many instances from now on."""

    service: str
    instances: int

    @property
    def stream(self) -> str:
        return f"service/{self.service}"


class LimitsDecided(InstanceDecision, frozen=True, kw_only=True):
    """The processes of a run, of which `pid` is the first, are to be limited."""

    run: int
    pid: int
    limits: Limits


class RestartScheduled(InstanceDecision, frozen=True, kw_only=True):
    """A failed instance is to be tried again at `due`."""

    attempt: int
    due: int


class ServiceGivenUp(InstanceDecision, frozen=True, kw_only=True):
    """An instance failed too often: it stays down until somebody starts it."""

    failures: int
    reason: str


class AlertRaised(Decision, frozen=True, kw_only=True):
    """Somebody ought to know: `message` says what is wrong, `advice` what to do.

    `again_at` is when it is raised again unless it is over, for what ends by the mere passing of time.
    """

    key: str
    severity: Severity
    subject: str
    message: str
    advice: str = ""
    again_at: int | None = None

    @property
    def stream(self) -> str:
        return self.subject


class AlertResolved(Decision, frozen=True, kw_only=True):
    """What an alert was about is over."""

    key: str
    subject: str

    @property
    def stream(self) -> str:
        return self.subject


class PatternReviewScheduled(Decision, frozen=True, kw_only=True):
    """What is expected is to be looked at again at `due`."""

    due: int


class PortReserved(Decision, frozen=True, kw_only=True):
    """A port is to be held until `until` for a start that is expected: of a service of ours, or of another program."""

    lease: str
    port: int
    host: str = "127.0.0.1"
    protocol: Literal["tcp", "udp"] = "tcp"
    pattern: str
    until: int

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


class ReservationEnded(Decision, frozen=True, kw_only=True):
    """A port need not be held any longer: what was expected `came`, or it did not."""

    lease: str
    port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    pattern: str
    came: bool = False

    @property
    def stream(self) -> str:
        return f"port/{self.port}"


class ShutdownCompleted(Decision, frozen=True, kw_only=True):
    """Everything that was to be stopped has ended: the supervisor may go."""


Effectful = (
    StartDecided
    | StopDecided
    | KillDecided
    | PauseDecided
    | ResumeDecided
    | SignalDecided
    | LimitsDecided
    | PortChosen
    | PortReleased
    | LeaseGranted
    | PortReserved
)
"""The decisions that something in the world has to carry out, and that therefore have an outcome."""
