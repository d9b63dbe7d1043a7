"""The gateway as people use it: one address for every service, whatever happens behind it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from nexus.http.tokens import Tokens
from projections.history import History
from tests.gateway.behind import CONFIGURATION, Behind, Load, echoed
from tests.http.supervised import System
from tests.waiting import until


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """A project that runs behind its gateway."""
    system = System(tmp_path_factory.mktemp("shop"), CONFIGURATION)
    try:
        done = system.nexus("up", "-d")
        assert "broken did not start" in done.stderr
        until(lambda: system.status["gateway"], 20, "the gateway")
        yield Behind(system)
    finally:
        system.nexus("down")


def test_a_service_has_a_name_and_a_prefix(behind: Behind) -> None:
    """Under its name it sees what was asked, below its prefix the rest of the path, and which prefix that was."""
    named = behind.ask("WEB.localhost", "/a/b?c=1", X_Forwarded_Prefix="/forged").json
    assert (named["path"], named["me"][:4]) == ("/a/b", "web.")
    assert "x-forwarded-prefix" not in named["headers"]
    below = behind.ask(f"localhost:{behind.port}", "/web/a%20b/").json
    assert (below["path"], below["headers"]["x-forwarded-prefix"]) == ("/a b/", "/web")
    assert below["headers"]["x-forwarded-host"] == f"localhost:{behind.port}"
    bare = behind.ask("localhost", "/web?c=1")
    assert (bare.status, bare.headers["location"]) == (308, "/web/?c=1")


def test_both_instances_are_asked(behind: Behind) -> None:
    """The load is shared."""
    assert {behind.ask("web.localhost").json["me"] for _ in range(30)} == {"web.1", "web.2"}


def test_a_sticky_service_keeps_a_caller_with_one_instance(behind: Behind) -> None:
    """A cookie says which one answered first."""
    first = behind.ask("pair.localhost")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("nexus_pair=")
    assert {behind.ask("pair.localhost", Cookie=cookie).json["me"] for _ in range(10)} == {first.json["me"]}


def test_limits_hold_where_they_are_declared(behind: Behind) -> None:
    """A body that is too large, and an answer that takes too long; other paths have no such limit."""
    large = behind.ask("pair.localhost", "/post", "POST", b"x" * 50)
    assert (large.status, large.json["expected"]) == (413, "a body that nexus.toml allows")
    assert behind.ask("pair.localhost", "/other", "POST", b"x" * 50).json["size"] == 50
    late = behind.ask("localhost", "/pair/slow?s=3")
    assert (late.status, late.json["thing"]) == (504, "the service pair")


def test_a_service_that_is_down_says_why(behind: Behind) -> None:
    """For programs a problem, for people a page with what happened last; both in the words of the log."""
    problem = behind.ask("broken.localhost")
    assert (problem.status, problem.headers["content-type"]) == (503, "application/problem+json; charset=utf-8")
    assert problem.json["found"] == "that broken was given up: it exited with code 1"
    page = behind.ask("localhost", "/broken/x", Accept="text/html")
    assert page.status == 503
    assert b"Broken was given up: it exited with code 1." in page.body
    assert b"What happened last" in page.body
    assert "script" not in page.headers["content-security-policy"]


def test_what_is_not_led_to_is_not_found(behind: Behind) -> None:
    """A name that nobody has, a service that keeps to itself, a host that is not ours; and no control plane."""
    for name in ("nobody", "hidden", "nexus-api", "nexus-guide"):
        assert behind.ask(f"{name}.localhost", "/api/status").status == 404
        assert behind.ask("localhost", f"/{name}/api/health").status == 404
    for host in ("evil.example", "web.evil.example", "web.localhost.evil.example", "169.254.169.254", ""):
        assert behind.ask(host, "/web/").status in (400, 421)
    token = Tokens(behind.system.home).default()
    for path in ("/api/status", "/events/", "/api/tokens"):
        assert behind.ask("localhost", path, Authorization=f"Bearer {token}").status == 404


def test_what_there_is_can_be_learned_from_one_address(behind: Behind) -> None:
    """A page for people, and a document for programs."""
    assert b'<a href="/web/">web</a>: running' in behind.ask("localhost", Accept="text/html").body
    known = behind.ask("127.0.0.1", "/.well-known/nexus").json
    assert (known["project"], known["gateway"]) == ("shop", f"http://localhost:{behind.port}")
    web = next(it for it in known["services"] if it["name"] == "web")
    assert web["url"] == f"http://web.localhost:{behind.port}"
    assert web["instances"].keys() == {"web.1", "web.2"}
    assert "hidden" not in {it["name"] for it in known["services"]}


def test_services_are_told_where_the_gateway_is(behind: Behind) -> None:
    """By NEXUS_GATEWAY in their environment."""
    pid = behind.system.status["services"]["web"]["instances"][0]["pid"]
    told = until(lambda: environment(pid), 5, "the environment")
    assert told["NEXUS_GATEWAY"] == f"http://localhost:{behind.port}"


def environment(pid: int) -> dict[str, str]:
    """The environment of a process and of what it has started."""
    return psutil.Process(pid).environ()


def test_a_websocket_and_a_stream_outlive_changes_of_who_is_there(behind: Behind) -> None:
    """Other instances come and go, and what is open stays open."""
    with behind.stream("one.localhost") as stream, behind.websocket("one.localhost") as channel:
        assert stream.headers["content-type"] == "text/event-stream"
        for verb in ("stop", "start", "restart"):
            assert behind.system.nexus(verb, "web").returncode == 0
            assert echoed(channel, verb) == f"one.1 {verb}"
        assert stream.readline().startswith(b"data: ")


@pytest.mark.parametrize("service", ["one", "web"])
def test_a_restart_loses_no_request(behind: Behind, service: str) -> None:
    """Whoever is with an instance may finish; whoever asks meanwhile is led to another, or waits for the next run."""
    host = f"{service}.localhost"
    with Load(behind, host, "GET", 2) as gets, Load(behind, host, "POST", 2) as posts:
        assert behind.system.nexus("restart", service).returncode == 0
    assert set(gets.counts) == set(posts.counts) == {"200"}, (gets.counts, posts.counts)
    rules = [it["rule"] for it in behind.decisions(service, "drain.decided")]
    assert "restart.asked" in rules


def test_a_long_request_is_finished_before_a_restart(behind: Behind) -> None:
    """It takes longer than the gateway needs to forget the instance."""
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(behind.ask, "one.localhost", "/slow?s=1.5", "POST")
        until(lambda: behind.under_way() > 0, 10, "the long request")
        assert behind.system.nexus("restart", "one").returncode == 0
        assert slow.result().status == 200


def test_a_crash_of_the_guide_is_not_noticed(behind: Behind) -> None:
    """The gateway goes by the last answer until there is another."""
    pid = guide_pid(behind)
    with Load(behind, "web.localhost", "GET") as load:
        psutil.Process(pid).kill()
        until(lambda: guide_pid(behind) not in (0, pid), 20, "another guide")
        assert behind.ask("broken.localhost").status == 503
    assert set(load.counts) == {"200"}, load.counts


def guide_pid(behind: Behind) -> int:
    """The process of the guide, 0 while there is none."""
    instance = History(behind.system.home).at().services.instances["nexus-guide.1"]
    return instance.pid if instance.state == "running" else 0
