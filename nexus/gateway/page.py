"""What the gateway says itself: which service is down and why, the index of what there is, and where to find it."""

from __future__ import annotations

import html
from collections.abc import Sequence

import msgspec

from nexus.http.problems import Problem, ProblemDocument
from projections import views
from projections.routes import routed, upstreams, why_not
from projections.state import State

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:12vh auto;padding:0 1rem;color:#222}"
    "h1{font-size:1.5rem}li{margin:.2rem 0}.why{font-size:1.1rem}code{background:#eee;padding:.1em .3em}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}code{background:#333}a{color:#8bf}}"
)
AGAIN_SECONDS = 2
"""How soon a page about a service that is down looks again."""

WORDS = {
    400: "a request that can be understood", 404: "a service of this project", 413: "a body that nexus.toml allows",
    502: "an answer", 503: "an instance that is well", 504: "an answer in the time that nexus.toml allows",
}  # fmt: skip


class ServicePlace(msgspec.Struct, frozen=True):
    """Where a service answers: under a name of its own, below a prefix, and each instance by itself."""

    name: str
    url: str | None
    prefix_url: str | None
    instances: dict[str, str]
    health: str
    category: str


class WellKnown(msgspec.Struct, frozen=True):
    """What runs here, and where: the one address from which a plugin or a program learns everything else."""

    project: str
    version: str
    api: str | None
    openapi: str | None
    endpoints: str | None
    gateway: str | None
    services: list[ServicePlace]


def well_known(state: State, version: str) -> WellKnown:
    """What runs at this moment, and where."""
    api, gateway = views.url(state), views.gateway_url(state)
    return WellKnown(
        project=state.supervisor.project, version=version, api=api,
        openapi=f"{api}/api/openapi.json" if api else None, endpoints=f"{api}/api/endpoints" if api else None,
        gateway=gateway, services=[_place(state, name, gateway) for name in routed(state)],
    )  # fmt: skip


def _place(state: State, name: str, gateway: str | None) -> ServicePlace:
    service = views.service(state, name)
    return ServicePlace(
        name=name, url=views.service_url(state, name), prefix_url=f"{gateway}/{name}/" if gateway else None,
        instances={it.instance: f"http://{it.host}:{it.port}" for it in upstreams(state, name)},
        health=service.health, category=service.category,
    )  # fmt: skip


def problem(state: State, service: str, status: int) -> ProblemDocument:
    """What is wrong with a request to a service; `status` is what the gateway made of it, 0 where nobody was there."""
    declared = service in routed(state)
    status = status if status in WORDS else 503 if declared else 404
    if status in (400, 413):
        found, step = "another one", "Send a smaller one, or change the limits of the service in nexus.toml."
    elif declared:
        found = f"that {service} {why_not(state, service)}"
        step = f"See what happened with `nexus status` and `nexus logs {service}`."
    else:
        names = ", ".join(routed(state)) or "none"
        found, step = f"that {service} {why_not(state, service)}", f"The gateway leads to: {names}."
    return Problem(status, f"the service {service}", WORDS[status], found, step).document


def as_html(document: ProblemDocument, service: str, history: Sequence[str]) -> str:
    """The same for people, with what happened last."""
    title = f"{service} does not answer" if document.status >= 500 else document.title
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in history)
    again = f'<meta http-equiv="refresh" content="{AGAIN_SECONDS}">' if document.status in (502, 503, 504) else ""
    said = f"<p>What happened last:</p><ul>{lines}</ul>" if lines else ""
    return _page(
        title, f'<p class="why">{html.escape(document.found.removeprefix("that ").capitalize())}.</p>'
        f"{said}<p>{html.escape(document.next_step)}</p>", again,
    )  # fmt: skip


def index(state: State) -> str:
    """The services that there are, as links."""
    names = routed(state)
    rows = "".join(
        f'<li><a href="/{name}/">{name}</a>: {html.escape(views.service(state, name).state)}</li>' for name in names
    )
    return _page(state.supervisor.project or "Nexus", f"<ul>{rows}</ul>" if rows else "<p>No service has a port.</p>")


def _page(title: str, body: str, head: str = "") -> str:
    shown = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{shown}</title>{head}'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><h1>{shown}</h1>{body}</body></html>"
    )
