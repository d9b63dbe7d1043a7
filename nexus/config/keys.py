"""Every key of nexus.toml: what it takes, what it means. Errors and the reference are made from this."""

from __future__ import annotations

import msgspec

from events.catalog import Api, Exposure, PortPool, PortRequest, Predict, Probe, Restart, Service

SERVICE_DEFAULTS = Service(name="", command=())
PROBE_DEFAULTS = Probe()
RESTART_DEFAULTS = Restart()
EXPOSURE_DEFAULTS = Exposure()
PORT_DEFAULTS = PortRequest()
API_DEFAULTS = Api()
POOL_DEFAULTS = PortPool()
PREDICT_DEFAULTS = Predict()
LOG_SIZE_DEFAULT = "64MiB"
SAMPLES_SIZE_DEFAULT = "256MiB"
SAMPLES_KEEP_DEFAULT = "14d"

DURATION_FORM = 'a duration such as "5s", "250ms", "1h 30m" or a number of seconds'
PORT_FORM = '"auto", a number from 1 to 65535, or a table of fixed or prefer, host and protocol'
FLAG_FORM = "true or false"
TEXT_FORM = "a string"


class Key(msgspec.Struct, frozen=True):
    """A key: `form` says what it takes, `default` what holds without it, `example` how it is written."""

    name: str
    form: str
    default: str
    meaning: str
    example: str


class Keys(msgspec.Struct, frozen=True):
    """The keys of one table; `not_yet` are names that are planned and refused until they work."""

    title: str
    keys: tuple[Key, ...]
    not_yet: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Key:
        return next(key for key in self.keys if key.name == name)

    def names(self) -> list[str]:
        """The names of its keys."""
        return [key.name for key in self.keys]


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s"


TOP = Keys("nexus.toml", (
    Key("nexus", "a table", "", "Settings of the supervisor itself.", "[nexus]"),
    Key("services", "a table of services", "", "One table for each service: `[services.NAME]`.", "[services.web]"),
))  # fmt: skip

NEXUS = Keys("[nexus]", (
    Key("project", TEXT_FORM, "the folder's name", "Names the project; ports are chosen by it.", 'project = "shop"'),
    Key("http", '"auto" or "host:port"', '"auto"', "Where the page and the API are served; auto chooses a free port.",
        'http = "127.0.0.1:7777"'),
    Key("gateway", '"off", "auto" or "host:port"', '"off"', "Where the gateway to all services listens.",
        'gateway = "127.0.0.1:8080"'),
    Key("gateway_hosts", "a list of host names", "none",
        "More names under which the gateway may be called, each with a name below it for every service.",
        'gateway_hosts = ["box.lan"]'),
    Key("gateway_tls", FLAG_FORM, "false", "Whether the gateway speaks HTTPS, with certificates of its own authority.",
        "gateway_tls = true"),
    Key("pool", 'a range of ports such as "20000-32767"', f'"{POOL_DEFAULTS.first}-{POOL_DEFAULTS.last}"',
        "The ports that Nexus may choose from, both ends included.", 'pool = "20000-32767"'),
    Key("excluded_ports", "a list of ports from 1 to 65535 and of ranges", "none",
        "Ports of the pool that are never chosen.", 'excluded_ports = [27017, "28000-28010"]'),
    Key("watch", FLAG_FORM, "false",
        "Whether a changed nexus.toml is applied as soon as it is saved, as `nexus reload` does.", "watch = true"),
    Key("log_size", 'a size such as "64MiB" or a number of bytes', f'"{LOG_SIZE_DEFAULT}"',
        "How large a file of the event log grows before the next one is begun.", 'log_size = "64MiB"'),
    Key("samples_size", 'a size such as "256MiB" or a number of bytes', f'"{SAMPLES_SIZE_DEFAULT}"',
        "How much room the figures of each second may take before the oldest hours are removed.",
        'samples_size = "1GiB"'),
    Key("samples_keep", DURATION_FORM, f'"{SAMPLES_KEEP_DEFAULT}"',
        "For how long the figures of each second are kept; those of each minute stay in the event log.",
        'samples_keep = "7d"'),
))  # fmt: skip

SERVICE = Keys("[services.NAME]", (
    Key("command", "a command line, or a list of its words", "required",
        "What is run. A string is split as a shell would, but no shell runs: no pipes, no `$NAME`, no `&&`.",
        'command = "python app.py --port {port}"'),
    Key("directory", TEXT_FORM, "the folder of nexus.toml", "Where it is run, relative to that folder.",
        'directory = "backend"'),
    Key("user", TEXT_FORM, "who runs Nexus", "The user that it is run as; needs root.", 'user = "postgres"'),
    Key("port", PORT_FORM, "no port", "Where it listens: `{port}` in its command, `PORT` in its environment.",
        'port = "auto"'),
    Key("ports", f"a table of names, each with {PORT_FORM}", "no ports", "Several: `{ports.NAME}` in its command.",
        'ports = { http = "auto", metrics = 9100 }'),
    Key("health", "a table, or false for no check", "tcp where it has a port, no check otherwise",
        "How it is asked whether it is well.", 'health = { http = "/api/health", interval = "5s" }'),
    Key("depends_on", 'a list of services, or a table of "started", "healthy" or "completed"', "nothing",
        "What must be there before it starts. In a list: healthy, and completed for a task.",
        'depends_on = ["database"]'),
    Key("restart", '"always", "on failure", "never", or a table', '"always"', "What follows when it ends.",
        'restart = { delays = ["1s", "2s", "4s"], then = "alert and stop dependents" }'),
    Key("environment", "a table of strings, numbers or true and false", "empty",
        "Added to the environment; `${NAME}` and `${NAME:-default}` come from the environment of Nexus. Also `env`.",
        'environment = { DATABASE_URL = "{services.database.url}" }'),
    Key("env", "a table of strings, numbers or true and false", "empty", "Short for `environment`.",
        'env = { DEBUG = "1" }'),
    Key("env_file", "a file name, or a list of them", "none",
        "Files of `NAME=value` lines, relative to nexus.toml; later ones win, `environment` wins over all.",
        'env_file = ".env"'),
    Key("autostart", FLAG_FORM, "true", "Whether `nexus up` starts it.", "autostart = false"),
    Key("task", FLAG_FORM, "false", "Whether it is run once and is done when it exits with code 0.", "task = true"),
    Key("category", TEXT_FORM, "none", "What kind of service it is: `web`, `api`, `database` …", 'category = "api"'),
    Key("priority", '"high", "normal" or "low"', '"normal"',
        "Who comes first where processor or disk are short; high needs root.", 'priority = "low"'),
    Key("cpus", "a list of numbers of processors, from 0", "all of them", "The processors that it may run on.",
        "cpus = [0, 1]"),
    Key("limits", "a table of open_files and processes", "those of Nexus",
        "How many files it may have open, and how many processes its user may have.",
        "limits = { open_files = 4096, processes = 200 }"),
    Key("memory_max", 'a size such as "512MiB", or a table', "as much as there is",
        "How much resident memory it may use with everything that it started.",
        'memory_max = { size = "512MiB", then = "alert" }'),
    Key("start_timeout", DURATION_FORM, _seconds(SERVICE_DEFAULTS.start_timeout_seconds),
        "How long it may take until its first good answer.", 'start_timeout = "60s"'),
    Key("stop_timeout", DURATION_FORM, _seconds(SERVICE_DEFAULTS.stop_timeout_seconds),
        "How long it may take to end when asked; then it is killed.", 'stop_timeout = "10s"'),
    Key("stop_signal", "TERM, INT, QUIT, HUP, USR1, USR2 or KILL", SERVICE_DEFAULTS.stop_signal,
        "The signal that asks it to end.", 'stop_signal = "INT"'),
    Key("reload_signal", "HUP, USR1, USR2, INT, QUIT, TERM, WINCH, TTIN or TTOU", "none",
        "The signal that `nexus signal SERVICE` sends to its process, so that it reads its own settings anew.",
        'reload_signal = "HUP"'),
    Key("groups", "a list of names", "none", "`nexus restart @web` means every service of the group web.",
        'groups = ["web"]'),
    Key("profiles", "a list of names", "none",
        "`nexus up` starts it only with one of these profiles: `nexus up --profile dev`.", 'profiles = ["dev"]'),
    Key("instances", "a number from 1 to 1000, or a table", "1",
        "How many replicas run: `web.1`, `web.2` …, each on a port of its own.", "instances = 2"),
    Key("api", "false, the path of its document, a list of endpoints, or a table", "it is asked at the usual paths",
        "How it becomes known what it can be asked; false: it is never asked.", 'api = "/openapi.json"'),
    Key("gateway", "a table, or false to keep it to itself", "open to it where it has a TCP port",
        "How the gateway leads to it.", 'gateway = { sticky = true, timeout = "30s" }'),
    Key("predict", '"off", or a table', "ports held, a start ahead proposed",
        "What may be done about a start that is expected.", 'predict = { ports = "on", start = "on" }'),
), not_yet=("schedule", "image"))  # fmt: skip

PORT = Keys("port and ports.NAME", (
    Key("fixed", "a number from 1 to 65535", "chosen by Nexus", "The number that it insists on.", "fixed = 5432"),
    Key("prefer", 'a range of ports such as "3000-3999"', "the pool", "The range that it is chosen from.",
        'prefer = "3000-3999"'),
    Key("host", "a host name or address", f'"{PORT_DEFAULTS.host}"', "The address that it listens on.",
        'host = "0.0.0.0"'),
    Key("protocol", '"tcp" or "udp"', f'"{PORT_DEFAULTS.protocol}"', "The protocol.", 'protocol = "udp"'),
), not_yet=("handover",))  # fmt: skip

HEALTH = Keys("health", (
    Key("http", 'a path that begins with "/"', "", "GET on the port: 200 to 399 is well.", 'http = "/api/health"'),
    Key("tcp", FLAG_FORM, "", "Whether the port accepts connections.", "tcp = true"),
    Key("exec", "a command line, or a list of its words", "",
        "A command in the service's environment: exit code 0 is well.", 'exec = "redis-cli -p {port} ping"'),
    Key("postgres", "true or a database name, or user@database", "",
        "A real query in PostgreSQL's own protocol.", 'postgres = "aurora"'),
    Key("port", "the name of one of its ports", "main, otherwise the first", "Which of its ports is asked.",
        'port = "metrics"'),
    Key("interval", DURATION_FORM, _seconds(PROBE_DEFAULTS.interval_seconds), "How often it is asked.",
        'interval = "5s"'),
    Key("timeout", DURATION_FORM, _seconds(PROBE_DEFAULTS.timeout_seconds), "How long an answer may take.",
        'timeout = "2s"'),
    Key("unhealthy_after", "a number from 1 to 1000", str(PROBE_DEFAULTS.unhealthy_after),
        "How many failures in a row make it unhealthy.", "unhealthy_after = 3"),
), not_yet=("ready", "live", "udp", "log", "file", "redis", "grpc", "status", "headers", "body"))  # fmt: skip

RESTART = Keys("restart", (
    Key("when", '"always", "on failure" or "never"', f'"{RESTART_DEFAULTS.when}"', "Which ends are answered.",
        'when = "on failure"'),
    Key("delays", f"a list of durations, each {DURATION_FORM}",
        ", ".join(_seconds(delay) for delay in RESTART_DEFAULTS.delays_seconds),
        "How long to wait before each try.", 'delays = ["1s", "2s", "4s"]'),
    Key("attempts_max", "a number from 0 to 1000000", "as many as there are delays",
        "How often it is tried; beyond the last delay, that one repeats.", "attempts_max = 10"),
    Key("reset_after", DURATION_FORM, _seconds(RESTART_DEFAULTS.reset_after_seconds),
        "After so long in health its failures are forgotten.", 'reset_after = "10s"'),
    Key("on_unhealthy", FLAG_FORM, str(RESTART_DEFAULTS.on_unhealthy).lower(),
        "Whether it is restarted when it is unhealthy.", "on_unhealthy = false"),
    Key("then", '"alert and stop dependents" or "alert"', '"alert and stop dependents"',
        "What follows when the last try has failed.", 'then = "alert"'),
))  # fmt: skip

API = Keys("api", (
    Key("ask", FLAG_FORM, str(API_DEFAULTS.asked).lower(), "Whether it is asked what it offers, once it is healthy.",
        "ask = false"),
    Key("document", 'a path that begins with "/"', "the usual paths", "Where its OpenAPI or AsyncAPI document is.",
        'document = "/openapi.json"'),
    Key("endpoints", 'a list of methods with their paths, such as "GET /orders/{id}"', "none",
        "What it can be asked, whether it says so itself or not.", 'endpoints = ["GET /orders/{id}"]'),
    Key("test", FLAG_FORM, str(API_DEFAULTS.tested).lower(),
        "Whether those that are safe (GET and HEAD) may be tried, with the examples of its document.", "test = true"),
))  # fmt: skip

INSTANCES = Keys("instances", (
    Key("min", "a number from 1 to 1000", "1", "How many run.", "min = 1"),
    Key("max", "a number from 1 to 1000", "as many as min",
        "How many `nexus scale` may ask for; scaling by load is not there yet.", "max = 4"),
    Key("target_cpu", "a number above 0 and up to 1", "none", "The load to aim at; scaling by load is not there yet.",
        "target_cpu = 0.7"),
))  # fmt: skip

GATEWAY = Keys("gateway", (
    Key("port", "the name of one of its ports", "main, otherwise the first", "Where the gateway leads to.",
        'port = "http"'),
    Key("sticky", FLAG_FORM, "false", "Whether a caller stays with the instance that answered first, by a cookie.",
        "sticky = true"),
    Key("drain", DURATION_FORM, _seconds(EXPOSURE_DEFAULTS.drain_seconds),
        "How long requests under way may take to end before an instance is stopped.", 'drain = "30s"'),
    Key("body_max", 'a size such as "64MiB" or a number of bytes', "unbounded",
        "How large the body of a request may be.", 'body_max = "10MiB"'),
    Key("timeout", DURATION_FORM, "unbounded", "How long an answer may take to begin.", 'timeout = "30s"'),
    Key("routes", "a table of paths, each with body_max and timeout", "none",
        "Other limits for some paths; a path may end in `*`.",
        'routes = { "/upload/*" = { body_max = "1GiB", timeout = "10m" } }'),
))  # fmt: skip

ROUTE = Keys("gateway.routes", (GATEWAY["body_max"], GATEWAY["timeout"]))

LIMITS = Keys("limits", (
    Key("open_files", "a number from 1 to 1000000000", "that of Nexus",
        "How many files each of its processes may have open.", "open_files = 4096"),
    Key("processes", "a number from 1 to 1000000000", "that of Nexus",
        "How many processes its user may have; the system does not hold root to it.", "processes = 200"),
))  # fmt: skip

MEMORY_MAX = Keys("memory_max", (
    Key("size", 'a size such as "512MiB" or a number of bytes', "required", "How much it may use.", 'size = "512MiB"'),
    Key("then", '"restart" or "alert"', '"restart"', "What follows when it uses more for three seconds.",
        'then = "alert"'),
))  # fmt: skip

PREDICT = Keys("predict", (
    Key("ports", '"off" or "on"', f'"{PREDICT_DEFAULTS.ports}"',
        "Whether its ports are held a few minutes before it is expected to start.", 'ports = "off"'),
    Key("start", '"off", "propose" or "on"', f'"{PREDICT_DEFAULTS.start}"',
        "Whether it is started ahead where that pays; a task never is.", 'start = "on"'),
))  # fmt: skip

TABLES = (NEXUS, SERVICE, PORT, HEALTH, RESTART, INSTANCES, API, GATEWAY, ROUTE, LIMITS, MEMORY_MAX, PREDICT)

PLACEHOLDERS = (
    ("port", "its main port: the one named main, otherwise its first"),
    ("ports.NAME", "its port of that name"),
    ("data", "a directory of its own: `.nexus/data/SERVICE`"),
    ("home", "the directory in which Nexus keeps its state, `.nexus`"),
    ("python", "the Python interpreter that runs Nexus"),
    ("instance", "the name of the instance, `web.1`"),
    ("services.NAME.url", "that service: `http://127.0.0.1:20001`, or `postgresql://…` where its health is postgres"),
    ("services.NAME.host", "the host of that service's main port"),
    ("services.NAME.data", "the directory of that service's own"),
    ("services.NAME.port", "the number of that service's main port"),
    ("services.NAME.ports.PORT", "the number of that service's port of that name"),
)  # fmt: skip
