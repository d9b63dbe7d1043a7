"""What the services can be asked, over the web and on the command line: the list, one document of all, what changed."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from events.catalog import DocumentQuarantined, Endpoint, EndpointsDiscovered
from nexus.registry import store
from nexus.registry.reading import read
from nexus.registry.validity import check
from tests.cli.homes import quickly
from tests.http.running import Api, running
from tests.http.story import Story
from tests.registry.samples import SHOP, Json, changed, raw

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
CHROMIUM = shutil.which("chromium")


def discovered(home: Path, document: Json) -> EndpointsDiscovered:
    """What the sensor tells of a document, once it has kept it."""
    served = raw(document)
    found, digest = read(served), store.digest_of(served)
    store.keep(home, digest, raw(found.document))
    return EndpointsDiscovered(
        service="web", source="openapi", path="/openapi.json", document=digest, title=found.title,
        endpoints=found.endpoints,
    )  # fmt: skip


class Told:
    """A home in which `web` served one document and then another, and `database` one that can't be used."""

    def __init__(self, home: Path) -> None:
        story = Story(home).begin()
        story.happen(discovered(home, SHOP))
        self.first = story.state.seq
        self.elsewhere = socket.create_server(("127.0.0.1", 0))
        self.elsewhere.setblocking(False)
        image = f"![x](http://127.0.0.1:{self.elsewhere.getsockname()[1]}/x.png) {MARKUP}"
        evil = changed(SHOP, "info", to={"title": MARKUP, "version": "1", "description": image})
        story.happen(discovered(home, changed(evil, "paths", "/orders/{id}", "delete")))
        story.happen(
            EndpointsDiscovered(service="worker", source="traffic", endpoints=(Endpoint("GET", "/jobs/{id}"),)),
            DocumentQuarantined(service="database", path="/swagger.json", reason="it is no object"),
        )
        self.last = story.state.seq
        story.close()
        self.home = home


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The home."""
    found = Told(tmp_path_factory.mktemp("home"))
    yield found
    found.elsewhere.close()


@pytest.fixture(scope="module")
def api(told: Told) -> Iterator[Api]:
    """A server over it."""
    with running(told.home) as server:
        yield server


def asked(api: Api, path: str, **query: object) -> Any:
    """The answer to a question."""
    with api.client() as client:
        answer = client.get(path, params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_the_list(api: Api) -> None:
    """Each endpoint with its source, each document with what is wrong with it."""
    found = asked(api, "/api/endpoints")
    assert found["gateway"] is None
    assert [(it["method"], it["path"], it["source"]) for it in found["endpoints"] if it["service"] == "web"] == [
        ("GET", "/v1/orders", "openapi"), ("POST", "/v1/orders", "openapi"), ("GET", "/v1/orders/{id}", "openapi"),
        ("GET", "/health", "declared"),
    ]  # fmt: skip
    assert [(it["service"], it["problem"]) for it in found["documents"]] == [
        ("web", None), ("database", "it is no object"),
    ]  # fmt: skip
    (job,) = asked(api, "/api/endpoints", service="worker")["endpoints"]
    assert (job["path"], job["source"]) == ("/jobs/{id}", "traffic")


def test_the_past_has_its_own_list_and_document(api: Api, told: Told) -> None:
    """What was gone later is still there then."""
    then = asked(api, "/api/endpoints", at=told.first)
    assert "DELETE" in [it["method"] for it in then["endpoints"]]
    document = asked(api, "/api/endpoints/openapi.json", at=told.first)
    assert "delete" in document["paths"]["/web/v1/orders/{id}"]
    assert "delete" not in asked(api, "/api/endpoints/openapi.json")["paths"]["/web/v1/orders/{id}"]


def test_one_valid_document_of_all(api: Api) -> None:
    """With what is known without a document."""
    document = asked(api, "/api/endpoints/openapi.json")
    check(document)
    assert {"/web/v1/orders", "/web/health", "/worker/jobs/{id}"} <= set(document["paths"])


def test_what_changed(api: Api, told: Told) -> None:
    """Over the web and on the command line alike."""
    found = asked(api, "/api/endpoints/changes", since=told.first, service="web")
    (gone,) = [it for it in found["changes"] if it["change"] == "removed"]
    assert (gone["endpoint"], gone["breaking"]) == ("DELETE /v1/orders/{id}", ["it is gone"])
    assert found["breaking"] == 1
    done = quickly(told.home, "endpoints", "diff", "--from", str(told.first), "--service", "web", "--json")
    assert json.loads(done.stdout) == {
        "from": told.first, "to": told.last, "breaking": 1, "changes": found["changes"],
    }  # fmt: skip
    shown = quickly(told.home, "endpoints", "diff", "--from", str(told.first)).stdout
    assert "- web DELETE /v1/orders/{id}\n    breaking: it is gone\n" in shown
    assert "+ worker GET /jobs/{id}\n" in shown
    assert asked(api, "/api/endpoints/changes")["since"] == 0


def test_without_the_documents_the_names_are_compared(told: Told, tmp_path: Path) -> None:
    """They are a disposable part of the home."""
    copy = tmp_path / "home"
    shutil.copytree(told.home, copy, ignore=shutil.ignore_patterns("documents", "*.sock"))
    shown = quickly(copy, "endpoints", "diff", "--from", str(told.first), "--to", str(told.last)).stdout
    assert "breaking: it is gone" in shown


def test_the_command(told: Told) -> None:
    """A table for people, the same JSON as the web's for programs, and a clear word about a wrong name."""
    shown = quickly(told.home, "endpoints").stdout
    assert "web      GET     /v1/orders       openapi   unknown  Every order" in shown
    assert "warning: database/swagger.json can't be used: it is no object" in shown
    found = json.loads(quickly(told.home, "endpoints", "--json", "--at", str(told.first)).stdout)
    assert [it["service"] for it in found["documents"]] == ["web"]
    wrong = quickly(told.home, "endpoints", "--service", "wbe")
    assert wrong.exit_code == 1
    assert "no endpoints are known" in quickly(told.home, "endpoints", "--service", "database").stdout


def test_who_takes_a_request(api: Api, told: Told) -> None:
    """Over the web and on the command line alike."""
    found = asked(api, "/api/route", url="/web/v1/orders/7")
    assert (found["by"]["endpoint"], found["path"], found["instances"]) == (
        "GET /v1/orders/{id}", "/v1/orders/7", ["web.1"],
    )  # fmt: skip
    done = quickly(told.home, "route", "explain", "get", "/web/v1/orders/7", "--json")
    assert json.loads(done.stdout) == found
    shown = quickly(told.home, "route", "explain", "GET", "/web/v1/orders/7").stdout
    assert shown.splitlines()[0] == "web takes it: GET /v1/orders/{id}"
    assert "answered by web.1" in shown
    nobody = quickly(told.home, "route", "explain", "GET", "/jobs/7").stdout
    assert nobody.startswith("nobody takes GET /jobs/7: no address leads there")
    assert "worker would take /jobs/7 too: GET /jobs/{id}" in nobody
    assert quickly(told.home, "route", "explain", "GET", "http://[bad").exit_code == 1
    with api.client() as client:
        assert client.get("/api/route", params={"url": "http://[bad"}).status_code == 400


def test_a_service_that_is_not_there(api: Api) -> None:
    """404, with the names of those that are."""
    with api.client() as client:
        assert client.get("/api/endpoints?service=nobody").status_code == 404
        assert client.get("/api/endpoints/changes?service=nobody").status_code == 404


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_shows_hostile_text_as_text_and_asks_nobody_else(api: Api, told: Told) -> None:
    """Swagger UI over the merged document: no script of a title runs, no image of a description is fetched."""
    from playwright.sync_api import Dialog, sync_playwright

    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("dialog", dismiss)
        page.add_init_script(f"sessionStorage.setItem('nexus-token', '{api.token}')")
        page.goto(f"{api.url}/docs/services")
        page.wait_for_selector("[data-tag='web/orders']", timeout=30_000)
        page.wait_for_selector("#api img[src*='x.png'], #api :text('x')", timeout=10_000)
        page.wait_for_load_state("networkidle")
        browser.close()
    assert dialogs == []
    with pytest.raises(BlockingIOError):
        told.elsewhere.accept()
