"""The client against a real supervisor and its web API: what is asked, what is commanded, and what breaks."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from nexus.client.aio import AsyncClient
from nexus.client.place import Place, of_file, of_home
from nexus.client.problems import GapError, RefusedError, UnreachableError
from nexus.client.sync import Client
from tests.http.running import Api, running
from tests.http.story import Story
from tests.http.streams import Load
from tests.http.supervised import System, supervised
from tests.waiting import until


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A supervisor with two services."""
    with supervised(tmp_path_factory.mktemp("shop")) as found:
        yield found


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    """A client with the operator's token."""
    with Client(Place(system.url, system.token)) as found:
        yield found


@pytest.fixture
async def loop_client(system: System) -> AsyncIterator[AsyncClient]:
    """The same for an event loop, found from the home."""
    async with AsyncClient.from_home(system.home) as found:
        yield found


def test_a_client_is_found_from_the_home(system: System) -> None:
    """Over the unix socket, where the system says who asks; no token is needed."""
    with Client.from_home(system.home) as client:
        assert client.who().role == "admin"
        assert set(client.status().services) == {"web", "worker"}
    assert of_home(system.home).token == ""


def test_a_program_of_nexus_finds_it_by_its_environment(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """NEXUS_SOCKET, which every service has, goes before the folder."""
    monkeypatch.setenv("NEXUS_SOCKET", of_home(system.home).socket)
    with Client.from_home() as client:
        assert client.services().services["web"].state == "running"


def test_every_question_has_its_type(client: Client) -> None:
    """Status, services, ports, leases, alerts, graph, history, decisions and why, now and at a moment."""
    assert client.service("web").service.instances[0].ports.keys() == {"main"}
    web = client.service("web").service.instances[0].ports["main"]
    assert client.port(web).port is not None
    assert web in [it.port for it in client.ports().ports]
    assert web in [it.port for it in client.leases().leases]
    assert [it.name for it in client.graph().nodes] == ["web", "worker"]
    assert client.alerts().alerts == []
    first = client.decisions(limit=1).decisions[0]
    assert client.decision(first.id) == first
    assert client.explain(first.id).rule == first.rule
    assert client.history(kind="command", limit=1).events[0].actor
    assert client.event(1).seq == 1
    assert client.status(at=1).seq == 1
    assert client.logs("web").instance == "web.1"


def test_a_command_is_waited_for(client: Client) -> None:
    """Stop, start and restart, each with its outcome and a position in the history."""
    assert client.stop("worker", wait=20).outcome.state == "stopped"  # type: ignore[union-attr]
    assert client.start("worker", wait=20).outcome.state == "running"  # type: ignore[union-attr]
    accepted = client.restart("worker", key="deploy-9")
    assert client.restart("worker", key="deploy-9").seq == accepted.seq
    assert client.event(accepted.seq).kind == "command.received"


def test_a_lease_is_held_for_a_block(client: Client) -> None:
    """And given back at its end, however that comes."""

    def hold() -> None:
        with client.leased("block", 31_200, 31_300) as port:
            assert 31_200 <= port <= 31_300
            assert "block" in [it.name for it in client.leases().leases]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hold()
    until(lambda: "block" not in [it.name for it in client.leases().leases], 10, "the end of the lease")


def test_a_refusal_says_what_to_do(system: System, client: Client) -> None:
    """A problem document is an error with its fields; a wrong token is one too."""
    with pytest.raises(RefusedError) as refused:
        client.restart("nobody")
    assert (refused.value.status, refused.value.next_step) == (404, "GET /api/services lists them.")
    with Client(Place(system.url, "nxs_wrong")) as stranger, pytest.raises(RefusedError) as unknown:
        stranger.status()
    assert unknown.value.status == 401


async def test_the_same_for_an_event_loop(loop_client: AsyncClient) -> None:
    """Questions side by side, a command, a lease and the feed."""
    status, services = await asyncio.gather(loop_client.status(), loop_client.services())
    assert status.services.keys() == services.services.keys()
    accepted = await loop_client.restart("worker")
    async for event in loop_client.events(after=accepted.seq - 1):
        assert event.seq == accepted.seq
        break
    async with loop_client.leased("looped") as port:
        assert port in [it.port for it in (await loop_client.leases()).leases]


@pytest.mark.parametrize("method", [name for name in dir(Client) if not name.startswith(("_", "close"))])
def test_both_clients_have_the_same_methods(method: str) -> None:
    """With the same parameters."""
    both = [vars(kind)[method] for kind in (Client, AsyncClient)]
    code = [getattr(it, "__wrapped__", getattr(it, "__func__", it)).__code__ for it in both]
    assert code[0].co_varnames[: code[0].co_argcount] == code[1].co_varnames[: code[1].co_argcount]


def test_the_feed_goes_on_over_any_number_of_servers(tmp_path: Path) -> None:
    """The server is killed and started anew three times under load: no gap, no duplicate."""
    story = Story(tmp_path).begin()
    api = Api(tmp_path)
    port, token = api.port, api.token
    seen: list[int] = []
    try:
        with Client(Place(f"http://127.0.0.1:{port}", token)) as client, Load(story, 500):
            events = client.events(after=0)
            for _ in range(3):
                seen += [it.seq for it in itertools.islice(events, 300)]
                api.process.kill()
                api.stop()
                api = Api(tmp_path, "--port", str(port))
            seen += [it.seq for it in itertools.islice(events, 300)]
    finally:
        api.stop()
        story.close()
    assert seen == list(range(1, 1_201))


def test_a_gap_is_an_error_unless_somebody_is_told(tmp_path: Path) -> None:
    """Nothing is left out in silence."""
    story = Story(tmp_path).begin()
    head = story.state.seq
    with running(tmp_path) as api, Client(Place(api.url, api.token)) as client:
        with pytest.raises(GapError) as missing:
            next(client.events(after=head + 10))
        assert (missing.value.first, missing.value.last, missing.value.after) == (head + 1, head + 10, head)
        told: list[GapError] = []

        def note(gap: GapError) -> None:
            told.append(gap)
            story.fill(1)

        assert next(client.events(after=head + 10, on_gap=note)).seq == head + 1
        assert len(told) == 1
    story.close()


def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    """A home in which nothing runs, a port on which nobody listens, a file that names nothing."""
    with pytest.raises(UnreachableError, match="nexus up -d"):
        of_home(tmp_path)
    with Client(Place("http://127.0.0.1:9", "t")) as client:
        with pytest.raises(UnreachableError, match="127"):
            client.status()
        with pytest.raises(UnreachableError):
            next(client.events())
    (tmp_path / "broken").write_text("{}")
    for name in ("missing", "broken"):
        with pytest.raises(UnreachableError, match=name):
            of_file(tmp_path / name)


def test_a_token_never_crosses_a_network_in_the_clear() -> None:
    """Only loopback, a unix socket or https will do."""
    with pytest.raises(UnreachableError, match="for all to read"):
        Client(Place("http://192.0.2.1:7777", "nxs_secret"))


def test_a_place_never_shows_its_token() -> None:
    """Neither in a log nor in a traceback."""
    assert "nxs_secret" not in f"{Place('http://127.0.0.1:1', 'nxs_secret')!r}{Place('http://x', 'nxs_secret')}"
