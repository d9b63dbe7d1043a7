"""The live feed: exact resume, filters, gaps, frozen clients and goodbyes, against a real server."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import websockets.sync.client
from websockets.typing import Origin, Subprotocol

from tests.http.running import Api, running
from tests.http.story import Story
from tests.http.streams import Load, Stream
from tests.waiting import until


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Story]:
    """A home of its own, for tests that add to the history."""
    story = Story(tmp_path).begin()
    yield story
    story.close()


@pytest.fixture
def live(told: Story) -> Iterator[Api]:
    """A server over it."""
    with running(told.home) as api:
        yield api


def killed_and_resumed(api: Api, story: Story, times: int, per_second: int, seed: int) -> list[int]:
    """What a client has seen that was killed so many times while events came."""
    chance, seen = random.Random(seed), [story.state.seq]
    last = str(story.state.seq)
    with Load(story, per_second):
        for _ in range(times):
            stream = Stream(api, last=last)
            seen += [it["seq"] for it in itertools.islice(stream.events(), chance.randrange(0, 400))]
            last = stream.last or last
            stream.kill()
    stream = Stream(api, last=last)
    while seen[-1] < story.state.seq:
        seen.append(next(stream.events())["seq"])
    stream.kill()
    return seen


def test_a_client_that_is_killed_and_resumed_misses_nothing(live: Api, told: Story) -> None:
    """Fifteen kills at random moments under 1,000 events a second: no gap, no duplicate."""
    seen = killed_and_resumed(live, told, times=15, per_second=1_000, seed=1)
    assert seen == list(range(seen[0], told.state.seq + 1))


@pytest.mark.long
def test_a_hundred_kills_under_load(live: Api, told: Story) -> None:
    """A hundred kills at random moments under 1,000 events a second: no gap, no duplicate."""
    seen = killed_and_resumed(live, told, times=100, per_second=1_000, seed=2)
    assert len(seen) > 10_000
    assert seen == list(range(seen[0], told.state.seq + 1))


def test_a_server_that_is_killed_is_resumed_as_exactly(told: Story) -> None:
    """The next server goes on where the last one was killed."""
    seen: list[int] = []
    with Load(told, 500):
        last = str(told.state.seq)
        for _ in range(3):
            api = Api(told.home)
            stream = Stream(api, last=last)
            found = stream.events()
            seen += [next(found)["seq"] for _ in range(100)]
            api.process.kill()
            seen += [it["seq"] for it in found]
            last = stream.last or last
            stream.kill()
            api.stop()
    assert seen == list(range(seen[0], seen[0] + len(seen)))


def test_a_client_without_a_position_gets_what_is_new(live: Api, told: Story) -> None:
    """The first thing that it hears is where it begins."""
    stream = Stream(live)
    hello = next(stream.controls())
    assert (hello["control"], hello["after"], hello["head"]) == ("hello", told.state.seq, told.state.seq)
    told.fill(1)
    assert next(stream.events())["seq"] == told.state.seq
    stream.kill()


def test_a_client_may_begin_at_the_beginning(live: Api, told: Story) -> None:
    """`after=0` is the whole history."""
    stream = Stream(live, "/events?after=0")
    seen = [it["seq"] for it in itertools.islice(stream.events(), told.state.seq)]
    assert seen == list(range(1, told.state.seq + 1))
    stream.kill()


def test_last_event_id_goes_before_after(live: Api, told: Story) -> None:
    """A browser that reconnects repeats the URL of the first time."""
    stream = Stream(live, "/events?after=0", last=str(told.state.seq - 2))
    assert next(stream.events())["seq"] == told.state.seq - 1
    stream.kill()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [("kind=run.started", {"run.started"}), ("kind=run", {"run.started"}),
     ("service=web&kind=start", {"start.decided"}),
     ("kind=port,command", {"port.chosen", "port.held", "command.received"})],
)  # fmt: skip
def test_filters_leave_out_what_is_not_wanted(live: Api, told: Story, query: str, wanted: set[str]) -> None:
    """By kind, family of kinds, service."""
    with live.client() as client:
        everything = client.get("/api/events?limit=1000").json()["events"]
    kinds = [it["seq"] for it in everything if it["kind"] in wanted]
    expected = [seq for seq in kinds if "service" not in query or everything[seq - 1]["stream"] == "service/web"]
    stream = Stream(live, f"/events?after=0&{query}")
    assert expected
    assert [it["seq"] for it in itertools.islice(stream.events(), len(expected))] == expected
    stream.kill()


def test_a_filtered_client_still_moves_on(live: Api, told: Story) -> None:
    """Beats repeat the position, so that a resume does not look at everything again."""
    stream = Stream(live, "/events?kind=alert.raised")
    head = told.state.seq + 50
    told.fill(50)
    beats = (it for it in stream.blocks() if "data" not in it and it.get("id") == str(head))
    assert next(beats)
    stream.kill()


def test_a_position_beyond_the_end_is_a_gap(live: Api, told: Story) -> None:
    """Somebody who knows more than the log has talked to another one; they are told, and hear what is new."""
    stream = Stream(live, last=str(told.state.seq + 1_000))
    controls = stream.controls()
    assert next(controls)["control"] == "hello"
    gap = next(controls)
    assert (gap["control"], gap["first"], gap["last"]) == ("gap", told.state.seq + 1, told.state.seq + 1_000)
    told.fill(1)
    assert next(stream.events())["seq"] == told.state.seq
    stream.kill()


def test_positions_that_are_lost_are_a_gap(tmp_path: Path) -> None:
    """Where an old file of the log was taken away, the client is told exactly what it misses."""
    story = Story(tmp_path).begin()
    lost = story.state.seq
    story.rotate()
    (tmp_path / "events-000001.db").unlink()
    with running(tmp_path) as api:
        stream = Stream(api, "/events?after=3")
        controls = stream.controls()
        assert next(controls)["control"] == "hello"
        gap = next(controls)
        assert (gap["control"], gap["first"], gap["last"]) == ("gap", 4, lost)
        assert next(stream.events())["seq"] == lost + 1
        stream.kill()
    story.close()


def test_every_stream_is_told_goodbye(told: Story) -> None:
    """At a shutdown each client hears `bye` with its position, and the process ends in good order."""
    api = Api(told.home)
    streams = [Stream(api) for _ in range(5)]
    for stream in streams:
        next(stream.controls())
    assert api.stop() == 0
    for stream in streams:
        *_, bye = stream.controls()
        assert bye == {"control": "bye", "after": told.state.seq}
        stream.kill()


def test_a_bad_position_is_refused(live: Api) -> None:
    """A Last-Event-ID that is no position is an error, not the beginning."""
    with live.client() as client:
        assert client.get("/events", headers={"Last-Event-ID": "yesterday"}).status_code == 400
        assert client.get("/events?after=-1").status_code == 400
        assert client.get("/events?after=1&after=2").status_code == 400


def test_a_websocket_gets_the_same(live: Api, told: Story) -> None:
    """The same events and controls, resumed with `after`."""
    with live.client() as client:
        expected = client.get("/api/events").json()["events"]
    headers = {"Authorization": f"Bearer {live.token}"}
    address = f"ws://127.0.0.1:{live.port}/ws?after=2"
    with websockets.sync.client.connect(address, additional_headers=headers, proxy=None) as socket:
        hello = json.loads(socket.recv(10))
        assert (hello["control"], hello["after"]) == ("hello", 2)
        assert [json.loads(socket.recv(10)) for _ in expected[2:]] == expected[2:]
        told.fill(1)
        assert json.loads(socket.recv(10))["seq"] == told.state.seq


def test_a_browser_sends_its_token_as_a_subprotocol(live: Api) -> None:
    """Browsers can't set a header on a WebSocket; the token is still not in the URL, nor in the answer."""
    offered = ["nexus", f"bearer.{live.token}"]
    with websockets.sync.client.connect(
        f"ws://127.0.0.1:{live.port}/ws",
        subprotocols=[Subprotocol(word) for word in offered],
        origin=Origin(live.url),
        proxy=None,
    ) as socket:
        assert socket.subprotocol == "nexus"
        assert json.loads(socket.recv(10))["control"] == "hello"


def test_a_websocket_is_told_goodbye(told: Story) -> None:
    """The last message is `bye`, the close code says that the server goes away."""
    api = Api(told.home)
    headers = {"Authorization": f"Bearer {api.token}"}
    with websockets.sync.client.connect(
        f"ws://127.0.0.1:{api.port}/ws", additional_headers=headers, proxy=None
    ) as socket:
        socket.recv(10)
        api.stop()
        assert json.loads(socket.recv(10))["control"] == "bye"
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            socket.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


@pytest.mark.long
def test_a_frozen_client_is_gone_within_twenty_seconds(live: Api, told: Story) -> None:
    """A client that reads nothing under load is let go, and the others do not notice."""
    frozen, lively = Stream(live), Stream(live)
    mine = frozen.socket.getsockname()[1]

    def connected() -> bool:
        found = psutil.Process(live.process.pid).net_connections("tcp")
        return any(getattr(it.raddr, "port", None) == mine and it.status == "ESTABLISHED" for it in found)

    assert connected()
    start = told.state.seq
    with Load(told, 1_000):
        seen = [next(lively.events())["seq"] for _ in range(8_000)]
        until(lambda: not connected(), timeout_seconds=20, what="the end of the frozen client")
    assert seen == list(range(start + 1, start + 8_001))
    frozen.kill()
    lively.kill()
