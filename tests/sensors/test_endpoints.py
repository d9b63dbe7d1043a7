"""Services are asked what they offer; whatever they answer hurts nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from events.catalog import (
    Api,
    DocumentQuarantined,
    EndpointsDiscovered,
    Event,
    PortOpened,
    PortOwner,
    PortRequest,
    ProbePassed,
)
from events.envelope import Draft
from nexus.registry import store
from nexus.sensors import fetching
from nexus.sensors.asking_around import HEALTH_PATHS, NOWHERE, OPENAPI_PATHS
from nexus.sensors.endpoints import EndpointSensor
from tests.given import World, asked, declared, service
from tests.registry.samples import SHOP, changed
from tests.sensors.hostile import Answer, document, drip, endless, garbage, head, moved, said, serving, silent
from tests.waiting import until_async

PAGE = said(b"<html><title><script>alert(1)</script></title>", media_type="text/html")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half the patience, so that slow services cost half the time."""
    monkeypatch.setattr(fetching, "SECONDS_MAX", 1.0)


class Asked:
    """A service on a port, and the sensor that asks it; what the sensor posts is what is known from then on."""

    def __init__(self, home: Path, port: int, api: Api = Api()) -> None:  # noqa: B008 - frozen
        web = msgspec.structs.replace(service("web", PortRequest(fixed=port), probe=True), api=api)
        self.world = World(web)
        self.told: list[Event] = []
        self.sensor = EndpointSensor(self._post, home)

    def _post(self, draft: Draft) -> None:
        self.told.append(draft.event)
        self.happen(draft.event)

    def happen(self, *events: Event) -> None:
        """Something that the sensor hears of."""
        self.world.when(*events)
        self.sensor.follow(self.world.state)

    async def run(self) -> list[Event]:
        """Start the service, let the sensor ask its new run to the end, and stop it: what was told."""
        self.told = []
        self.world.when(asked("up"))
        self.happen(ProbePassed(instance="web.1", run=self.world.instance("web.1").run))
        await self.ended()
        return self.told

    async def ended(self) -> None:
        """Nothing is asked any more."""
        tasks = [task for _, task in self.sensor._asked.values()]
        await until_async(lambda: all(task.done() for task in tasks), 30, "the end of the asking")
        for task in tasks:
            task.result()

    async def again(self) -> list[Event]:
        """The same with a new run."""
        self.world.exits("web.1")
        self.world.due("restart:web.1")
        return await self.run()


async def test_a_document_is_found_and_kept(tmp_path: Path) -> None:
    """Its endpoints are told once; the document lies beside the log under the digest of the event."""
    async with serving({"/openapi.json": document(SHOP), "/health": said(b"{}")}) as server:
        web = Asked(tmp_path, server.port)
        found, health = await web.run()
        assert isinstance(found, EndpointsDiscovered)
        assert [f"{it.method} {it.path}" for it in found.endpoints][:2] == ["GET /v1/orders", "POST /v1/orders"]
        kept = store.kept(tmp_path, found.document)
        assert kept is not None
        assert kept["info"]["title"] == "Shop"
        assert store.path_of(tmp_path, found.document).parent.stat().st_mode & 0o777 == 0o700
        assert isinstance(health, EndpointsDiscovered)
        assert [it.path for it in health.endpoints] == ["/health"]
        server.asked.clear()
        assert await web.again() == []
        assert server.asked[:2] == [NOWHERE, "/openapi.json"]
        assert "/swagger.json" not in server.asked


async def test_what_breaks_callers_is_told(tmp_path: Path) -> None:
    """A new run with another document; then one without any."""
    async with serving({"/api-docs": document(SHOP)}) as server:
        web = Asked(tmp_path, server.port)
        await web.run()
        server.answers["/api-docs"] = document(changed(SHOP, "paths", "/orders/{id}", "delete"))
        (found,) = await web.again()
        assert isinstance(found, EndpointsDiscovered)
        assert found.breaking == ("DELETE /v1/orders/{id}: it is gone",)
        del server.answers["/api-docs"]
        (gone,) = await web.again()
        assert isinstance(gone, EndpointsDiscovered)
        assert (gone.endpoints, gone.breaking) == ((), ("3 endpoints: it serves no document any more",))
        assert await web.again() == []


async def test_other_kinds_of_documents(tmp_path: Path) -> None:
    """GraphQL by its own question, AsyncAPI beside it, OpenAPI in YAML."""
    schema = {"data": {"__schema": {"queryType": {"fields": [{"name": "me"}]}}}}
    answers = {
        "/graphql": document(schema), "/asyncapi.json": document({"asyncapi": "2.0.0", "channels": {}}),
        "/openapi.yaml": said(b"openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {}", media_type="text/yaml"),
    }  # fmt: skip
    async with serving(answers) as server:
        found = await Asked(tmp_path, server.port).run()
    assert [it.source for it in found if isinstance(it, EndpointsDiscovered)] == ["openapi", "asyncapi", "graphql"]


CHAIN = {f"S{n}": {"$ref": f"#/components/schemas/S{n + 1}"} for n in range(5_000)} | {"S5000": {}}
HOSTILE: dict[str, tuple[Answer, str]] = {
    "a gigabyte": (endless, "it is larger than 5 MB"),
    "a slow drip": (drip, "it did not come to an end within 1 s"),
    "deep": (said(b'{"openapi":' + b'{"a":' * 100_000), "it is nested too deeply"),
    "deep references": (document({"openapi": "3.1.0", "components": {"schemas": CHAIN}}), "from reference to"),
    "elsewhere": (document(changed(SHOP, "paths", "/orders", "get", to={"$ref": "http://127.0.0.1:1/x"})), "outside"),
    "half": (said(b'{"openapi": "3.1.0"'), "it is no valid JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_document(tmp_path: Path, name: str) -> None:
    """It is put aside with a reason, nothing of it is kept, and the last good one stays."""
    answer, reason = HOSTILE[name]
    async with serving({"/openapi.json": document(SHOP)}) as server:
        web = Asked(tmp_path, server.port)
        await web.run()
        server.answers["/openapi.json"] = answer
        (found,) = await web.again()
        assert isinstance(found, DocumentQuarantined)
        assert reason in found.reason
        known = web.world.state.endpoints
        assert len(list(known.known("web"))) == 4
        assert known.by_service["web"].quarantined is not None
        assert len(list((tmp_path / store.FOLDER).iterdir())) == 1
        server.answers["/openapi.json"] = document(SHOP)
        await web.again()
        assert web.world.state.endpoints.by_service["web"].quarantined is None


@pytest.mark.parametrize(
    ("otherwise", "asked_most"),
    [(PAGE, 12), (moved, 20), (garbage, 1), (silent, 2), (said(b"{}"), 12), (said(b"{}", "500 Oops"), 20)],
    ids=["a page for everything", "an endless redirect", "not HTTP", "silence", "yes to everything", "errors"],
)
async def test_a_service_that_says_nothing_useful(tmp_path: Path, otherwise: Answer, asked_most: int) -> None:
    """Nothing is known of it, and it is soon left alone."""
    async with serving({}, otherwise) as server:
        assert await Asked(tmp_path, server.port).run() == []
        assert len(server.asked) <= asked_most


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (moved, "the answer was 302, a redirect, and those are not followed"),
        (PAGE, "it is a page, not a document"),
        (said(b"", "404 Not Found"), "the answer was 404, not 200"),
        (said(b"[]"), "it is no object"),
    ],
)
async def test_a_declared_document(tmp_path: Path, answer: Answer, reason: str) -> None:
    """Only that path is asked, and why it can't be used is told, once."""
    async with serving({"/my.json": answer}) as server:
        web = Asked(tmp_path, server.port, Api(document="/my.json"))
        (found,) = await web.run()
        assert found == DocumentQuarantined(service="web", path="/my.json", reason=reason)
        assert not set(server.asked) & set(OPENAPI_PATHS)
        assert await web.again() == []


async def test_whoever_is_not_to_be_asked_is_not_asked(tmp_path: Path) -> None:
    """By its declaration, or because somebody else has its port."""
    async with serving({"/openapi.json": document(SHOP)}) as server:
        assert await Asked(tmp_path, server.port, Api(asked=False)).run() == []
        other = Asked(tmp_path, server.port)
        other.happen(PortOpened(port=server.port, address="127.0.0.1", owners=(PortOwner(pid=1),)))
        assert await other.run() == []
        assert server.asked == []


async def test_another_declaration_is_heard_at_once(tmp_path: Path) -> None:
    """A run goes on as it is, and is asked again in the new way."""
    async with serving({"/mine.json": document(SHOP)}) as server:
        web = Asked(tmp_path, server.port)
        assert await web.run() == []
        declared_now = msgspec.structs.replace(web.world.state.services.declared["web"], api=Api(document="/mine.json"))
        web.happen(declared(declared_now))
        await web.ended()
        assert [type(it) for it in web.told] == [EndpointsDiscovered]
        web.happen(declared(msgspec.structs.replace(declared_now, api=Api(asked=False))))
        await web.ended()
        assert list(web.world.state.endpoints.known("web")) == []
        assert web.world.instance("web.1").restarts == 0


async def test_headers_without_end(tmp_path: Path) -> None:
    """A head that grows and grows is no answer."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head().removesuffix(b"\r\n") + b"X: y\r\n" * 100_000)
        await writer.drain()

    async with serving({}, answer) as server:
        assert await Asked(tmp_path, server.port).run() == []
        assert len(server.asked) == 1


async def test_a_probe_is_no_second_endpoint(tmp_path: Path) -> None:
    """What its health check asks is declared already."""
    async with serving(dict.fromkeys(HEALTH_PATHS, said(b"ok", media_type="text/plain"))) as server:
        web = Asked(tmp_path, server.port)
        (found,) = await web.run()
        assert isinstance(found, EndpointsDiscovered)
        assert [it.path for it in found.endpoints] == list(HEALTH_PATHS)


async def test_the_end_of_a_run_ends_the_asking(tmp_path: Path) -> None:
    """Nobody is asked after it is gone, nor after the supervisor is."""
    async with serving({}, silent) as server:
        web = Asked(tmp_path, server.port)
        web.world.when(asked("up"))
        web.happen(ProbePassed(instance="web.1", run=web.world.instance("web.1").run))
        ((_, task),) = web.sensor._asked.values()
        await until_async(lambda: server.asked, 5, "the first question")
        web.world.exits("web.1")
        web.sensor.follow(web.world.state)
        await until_async(task.cancelled, 5, "the end")
        assert web.sensor._asked == {}
        await web.sensor.close()
