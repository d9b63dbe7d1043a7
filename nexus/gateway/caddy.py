"""The configuration of Caddy: written once, and the same whichever instances there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from events.catalog import Exposure, RouteLimit, Service

Json = dict[str, Any]

REFRESH = "250ms"
"""How long an answer about instances is believed."""

GRACE = "2s"
"""How long the last answer is believed where nobody answers."""

TRY_SECONDS = 8.0
"""How long a request waits for an instance, as while one is restarted."""

TRY_PAUSE = "50ms"
IDLE = "1s"
"""How long an idle connection to a service is kept: less than any server keeps it, so that no request is lost on it."""

HOURS = "1h"
LOCAL = ("localhost", "127.0.0.1", "::1")
SERVICE = "[a-z0-9][a-z0-9_-]*"


class Plan(msgspec.Struct, frozen=True):
    """What the gateway is told when it starts.

    `names` answers who is there, `page` shows what can't be answered otherwise, `usage` is told of each request.
    """

    host: str
    port: int
    names: int
    page: int
    usage: int = 0
    admin: str = ""
    folder: Path = Path()
    hosts: tuple[str, ...] = ()
    tls: bool = False
    exposed: Mapping[str, Exposure] = {}


def plan_exposures(services: Mapping[str, Service]) -> dict[str, Exposure]:
    """The services with a wish of their own."""
    return {name: it.gateway for name, it in services.items() if it.gateway.sticky or it.gateway.limits}


def config(plan: Plan) -> Json:
    """The whole configuration, as JSON."""
    return {
        "admin": {"listen": f"unix/{plan.admin}|0600", "config": {"persist": False}} if plan.admin
        else {"disabled": True},
        "storage": {"module": "file_system", "root": str(plan.folder)},
        "logging": _logging(plan),
        "apps": {"http": {"servers": {"gateway": _server(plan)}}, **(_tls(plan) if plan.tls else {})},
    }  # fmt: skip


def _logging(plan: Plan) -> Json:
    unneeded = ("request>headers", "request>tls", "request>remote_port", "request>client_ip", "resp_headers")
    logs: Json = {"default": {"level": "WARN", "exclude": ["admin", "http.log", "http.handlers", "http.reverse_proxy"]}}
    if not plan.usage:
        return {"logs": logs}
    encoder = {
        "format": "filter",
        "wrap": {"format": "json", "time_format": "unix_milli_float"},
        "fields": {name: {"filter": "delete"} for name in unneeded}
        | {"request>uri": {"filter": "regexp", "regexp": r"\?.*", "value": ""}},
    }
    writer = {"output": "net", "address": f"udp/127.0.0.1:{plan.usage}", "soft_start": True}
    logs["usage"] = {"writer": writer, "encoder": encoder, "include": ["http.log.access.usage"]}
    return {"logs": logs}


def _tls(plan: Plan) -> Json:
    ask = f"http://127.0.0.1:{plan.page}/ask"
    policy = {"issuers": [{"module": "internal"}], "on_demand": True}
    permission = {"permission": {"module": "http", "endpoint": ask}}
    return {
        "tls": {"automation": {"policies": [policy], "on_demand": permission}},
        "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
    }


def _server(plan: Plan) -> Json:
    place = f"[{plan.host}]" if ":" in plan.host else plan.host
    return {
        "listen": [f"{place}:{plan.port}"],
        "protocols": ["h1", "h2"] if plan.tls else ["h1", "h2", "h2c"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{"default_sni": "localhost"}] if plan.tls else None,
        "routes": list(_routes(plan)),
        "errors": {"routes": [{"handle": [_page(plan)]}]},
        "logs": {"default_logger_name": "usage"} if plan.usage else None,
    }


# -- routes --------------------------------------------------------------------------------------


def _routes(plan: Plan) -> Iterator[Json]:
    """By the name of the host, then by the first word of the path, then the index; else a host that is not ours."""
    names = ("localhost", *plan.hosts)
    subdomain = rf"(?i)^({SERVICE})\.(?:{'|'.join(map(re.escape, names))})$"
    prefix = rf"^/({SERVICE})(/|$)"
    own = [plan.host] if plan.host not in ("0.0.0.0", "::") else []  # noqa: S104
    ours = {"host": list(dict.fromkeys((*LOCAL, *plan.hosts, *own)))}
    for name, exposure in plan.exposed.items():
        yield {
            "match": [{"host": [f"{name}.{host}" for host in names]}],
            "handle": [_by_host(name), *_limited(plan, name, exposure)], "terminal": True,
        }  # fmt: skip
        yield {
            "match": [{**ours, "path": [f"/{name}", f"/{name}/*"]}],
            "handle": [*_below(name), *_limited(plan, name, exposure)], "terminal": True,
        }  # fmt: skip
    host_word, path_word = "{http.regexp.host.1}", "{http.regexp.prefix.1}"
    yield {
        "match": [{"vars_regexp": {"{http.request.host}": {"name": "host", "pattern": subdomain}}}],
        "handle": [_by_host(host_word), *_proxies(plan, host_word)], "terminal": True,
    }  # fmt: skip
    yield {
        "match": [{**ours, "path_regexp": {"name": "prefix", "pattern": prefix}}],
        "handle": [*_below(path_word), *_proxies(plan, path_word)], "terminal": True,
    }  # fmt: skip
    yield {"match": [ours], "handle": [_page(plan)], "terminal": True}
    yield {"handle": [{"handler": "static_response", "status_code": 421, "body": MISDIRECTED}]}


MISDIRECTED = "421: this gateway answers to localhost and NAME.localhost only; gateway_hosts in [nexus] names more.\n"


def _by_host(name: str) -> Json:
    """A service that is called by a name of its own has no prefix, whatever the caller says."""
    return _marked(name, {"delete": ["X-Forwarded-Prefix"]}, below="")


def _below(name: str) -> list[Json]:
    """A service below a prefix: a page at `/web` is sent to `/web/`, and the service sees the path without it."""
    slash = {
        "handler": "static_response", "status_code": 308,
        "headers": {"Location": ["{http.request.uri.path}/{http.request.uri.prefixed_query}"]},
    }  # fmt: skip
    bare = {"path_regexp": {"name": "bare", "pattern": f"^/{SERVICE}$"}, "method": ["GET", "HEAD"]}
    return [
        {"handler": "subroute", "routes": [{"match": [bare], "handle": [slash], "terminal": True}]},
        _marked(name, {"set": {"X-Forwarded-Prefix": [f"/{name}"]}}, below=name),
        {"handler": "rewrite", "strip_path_prefix": f"/{name}"},
    ]  # fmt: skip


def _marked(name: str, request: Json, below: str) -> Json:
    """What the log of requests says of one: which service, below which prefix, and who called."""
    append = [
        {"handler": "log_append", "key": "service", "value": name},
        {"handler": "log_append", "key": "prefix", "value": below},
        {"handler": "log_append", "key": "caller", "value": "{http.request.header.User-Agent}"},
    ]
    return {"handler": "subroute", "routes": [{"handle": [*append, {"handler": "headers", "request": request}]}]}


def _limited(plan: Plan, name: str, exposure: Exposure) -> list[Json]:
    """The way to a service with wishes of its own, its longest paths first."""
    routes = []
    for limit in sorted(exposure.limits, key=lambda it: len(it.path), reverse=True):
        body = [{"handler": "request_body", "max_size": limit.body_max_bytes}] if limit.body_max_bytes else []
        handle = [*body, *_proxies(plan, name, exposure, limit)]
        routes.append({"match": [{"path": [limit.path]}], "handle": handle, "terminal": True})
    routes.append({"handle": _proxies(plan, name, exposure)})
    return [{"handler": "subroute", "routes": routes}]


def _proxies(
    plan: Plan, name: str, exposure: Exposure = Exposure(), limit: RouteLimit = RouteLimit()  # noqa: B008 - frozen
) -> list[Json]:  # fmt: skip
    """The way to a service; gRPC needs HTTP/2 on its far side too."""
    is_grpc = {"header": {"Content-Type": ["application/grpc*"]}}
    grpc = _proxy(plan, f"{name}.service.", exposure, limit, versions=["h2c", "2"])
    plain = _proxy(plan, f"{name}.service.", exposure, limit)
    return [{"handler": "subroute", "routes": [{"match": [is_grpc], "handle": [grpc], "terminal": True},
                                               {"handle": [plain]}]}]  # fmt: skip


def _page(plan: Plan) -> Json:
    """Nexus's own page, which says what is wrong."""
    proxy = _proxy(plan, "page.nexus.", Exposure(), RouteLimit())
    proxy["rewrite"] = {"method": "GET"}  # what was sent with the request is not needed to say what is wrong
    told = {"X-Nexus-Status": ["{http.error.status_code}"], "X-Forwarded-Uri": ["{http.request.orig_uri}"]}
    return {"handler": "subroute", "routes": [{"handle": [{"handler": "headers", "request": {"set": told}}, proxy]}]}


def _proxy(
    plan: Plan, name: str, exposure: Exposure, limit: RouteLimit, versions: Sequence[str] = ("1.1",)
) -> Json:  # fmt: skip
    resolver = {"addresses": [f"udp/127.0.0.1:{plan.names}"]}
    transport: Json = {
        "protocol": "http", "resolver": resolver, "versions": list(versions), "dial_timeout": "2s",
        "compression": False,
        "keep_alive": {"enabled": True, "idle_timeout": IDLE, "max_idle_conns_per_host": 128},
    }  # fmt: skip
    if limit.timeout_seconds:
        transport["response_header_timeout"] = f"{limit.timeout_seconds}s"
    least = {"policy": "least_conn"}
    cookie = {"policy": "cookie", "name": f"nexus_{name.partition('.')[0]}", "fallback": least}
    try_seconds = min(TRY_SECONDS, limit.timeout_seconds or TRY_SECONDS)
    return {
        "handler": "reverse_proxy",
        "dynamic_upstreams": {"source": "srv", "name": name, "refresh": REFRESH, "grace_period": GRACE,
                              "resolver": resolver},
        "load_balancing": {"selection_policy": cookie if exposure.sticky else least,
                           "try_duration": f"{try_seconds}s", "try_interval": TRY_PAUSE},
        "health_checks": {"passive": {"fail_duration": REFRESH}},
        "stream_close_delay": HOURS,
        "transport": transport,
    }  # fmt: skip
