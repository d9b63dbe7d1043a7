"""Who is let in: the name that was called, the page that calls, the size, and the token, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nexus.http import limits, pages
from nexus.http.problems import Problem
from nexus.http.tokens import Role, Tokens, allows

UNIX_HOSTS = frozenset({"nexus", "localhost"})
SECRET_QUERY_KEYS = frozenset({"token", "access_token", "authorization", "bearer", "code"})
WEBSOCKET_BEARER = "bearer."
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "no-store",
}


class Caller(msgspec.Struct, frozen=True):
    """Who asks, as every command's event will name them; `role` is None for somebody unknown."""

    name: str
    role: Role | None


class Names(msgspec.Struct, frozen=True):
    """The names under which this server may be called: `hosts` with their port, and the `origins` of its own pages."""

    hosts: frozenset[str]
    origins: frozenset[str]


def names_of(port: int, scheme: str = "http", more: Sequence[str] = ()) -> Names:
    """The loopback names with `port`, and `more` names given by the operator."""
    usual = 443 if scheme == "https" else 80
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]", *more)}
    if port == usual:
        hosts |= {host.removesuffix(f":{port}") for host in hosts}
    return Names(frozenset(hosts), frozenset(f"{scheme}://{host}" for host in hosts))


class Gate:
    """Lets a request through to the application, or answers it with a problem."""

    def __init__(self, app: ASGIApp, names: Names, tokens: Tokens) -> None:
        self.app, self.names, self.tokens = app, names, tokens
        self.requests = limits.Rate(300, 600)
        self.failures = limits.Rate(1, 120)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its Caller in `scope["state"]["caller"]`."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            scope["state"]["caller"] = self._caller(scope)
        except Problem as problem:
            await problem.response()(scope, receive, _guarded(send))
        else:
            await self.app(scope, limits.counted(receive), _guarded(send))

    def _caller(self, scope: Scope) -> Caller:
        headers, peer = Headers(scope=scope), scope["state"].get("peer")
        self._check_host(headers, UNIX_HOSTS if peer else self.names.hosts)
        self._check_page(headers, scope, frozenset() if peer else self.names.origins)
        limits.check_head(scope["headers"], scope.get("raw_path", b""), scope["query_string"])
        if "content-length" in headers:
            limits.check_length(headers["content-length"])
        _check_query(scope["query_string"])
        caller = Caller(peer, "admin") if peer else self._by_token(headers, _client(scope))
        self.requests.check(caller.name, "requests")
        return caller

    def _check_host(self, headers: Headers, known: frozenset[str]) -> None:
        given = headers.getlist("host")
        if len(given) != 1 or given[0].lower() not in known:
            raise Problem(
                421, "the Host header", f"one of {', '.join(sorted(known))}", f"{' and '.join(given) or 'none'}"[:200],
                "Call Nexus by its own address.",
            )  # fmt: skip

    def _check_page(self, headers: Headers, scope: Scope, known: frozenset[str]) -> None:
        """Refuse what a page of another site makes a browser send, sibling hosts and other ports included."""
        origins, site = headers.getlist("origin"), headers.get("sec-fetch-site", "none")
        if any(origin.lower() not in known for origin in origins):
            raise _foreign("the Origin header", "no Origin, or that of Nexus's own page", " and ".join(origins))
        if site in ("none", "same-origin"):
            return
        led_here = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if not (led_here and pages.is_navigable(scope["path"]) and scope.get("method") == "GET"):
            raise _foreign("the Sec-Fetch-Site header", "same-origin or none", site)

    def _by_token(self, headers: Headers, client: str) -> Caller:
        given = _bearer(headers)
        if given is None:
            return Caller(client, None)
        token = self.tokens.find(given)
        if token is None:
            self.failures.check(client, "tokens that are not valid")
            raise unauthorised("one that is not valid")
        return Caller(f"token {token.name}", token.role)


def require(caller: Caller, role: Role) -> None:
    """Refuse who may not do what needs `role`; raises Problem 401 or 403."""
    if caller.role is None:
        raise unauthorised("none")
    if not allows(caller.role, role):
        raise Problem(
            403, caller.name, f"the role {role}", f"the role {caller.role}",
            f"Make another one: nexus token add NAME --role {role}",
        )  # fmt: skip


def unauthorised(found: str) -> Problem:
    """The answer to a request without a valid token."""
    return Problem(
        401, "the Authorization header", "Bearer and a valid token", found,
        "`nexus token show` prints yours, `nexus open` hands one to the page.", {"WWW-Authenticate": "Bearer"},
    )  # fmt: skip


def _foreign(thing: str, expected: str, found: str) -> Problem:
    return Problem(403, thing, expected, found[:200], "Other pages may not talk to Nexus; open its own page.")


def _client(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else "unknown"


def _bearer(headers: Headers) -> str | None:
    """The token that was sent; browsers can send one with a WebSocket only as a subprotocol."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme:
        return secret.strip() if scheme.lower() == "bearer" else ""
    offered = (it.strip() for it in headers.get("sec-websocket-protocol", "").split(","))
    return next((it.removeprefix(WEBSOCKET_BEARER) for it in offered if it.startswith(WEBSOCKET_BEARER)), None)


def _check_query(query: bytes) -> None:
    """A secret in a URL ends up in histories and logs; raises Problem 400."""
    keys = {key.lower() for key, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    if keys & SECRET_QUERY_KEYS:
        raise Problem(
            400, "the query", "no secret in it", f"{min(keys & SECRET_QUERY_KEYS)}=…",
            "Send it as a header: Authorization: Bearer TOKEN. Take it for known now: nexus token revoke NAME",
        )  # fmt: skip


def _guarded(send: Send) -> Send:
    """The same answer, with the headers that browsers need to be careful."""

    async def guarded(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return guarded
