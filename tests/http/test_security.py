"""Who is let in: each line of the list of a control plane's dangers, tried on a real server."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

from nexus.http import limits
from nexus.http.tokens import Codes, Tokens
from nexus.platforms.listen import api_socket
from tests.http.raw import send, status
from tests.http.running import Api

# -- Host ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "127.0.0.1", "localhost", "127.0.0.1:{other}", "localhost.:{port}",
             "api.localhost:{port}", "127.0.0.1:{port}.evil.example", "0.0.0.0:{port}", "", " ", "[::]:{port}"],
)  # fmt: skip
def test_another_host_name_is_refused(api: Api, host: str) -> None:
    """A name that somebody pointed at this machine is not ours, nor is one without our port."""
    named = host.format(port=api.port, other=api.port + 1)
    answer = send(
        api.port, f"GET /api/status HTTP/1.1\nHost: {named}\nAuthorization: Bearer {api.token}\nConnection: close"
    )
    assert status(answer) == 421


def test_a_request_without_a_host_is_refused(api: Api) -> None:
    """HTTP/1.0 needs no Host, Nexus does."""
    assert status(send(api.port, "GET /api/status HTTP/1.0")) == 421


def test_two_hosts_are_refused(api: Api) -> None:
    """The first of two Host headers is not believed."""
    answer = send(api.port, f"GET / HTTP/1.1\nHost: 127.0.0.1:{api.port}\nHost: evil.example\nConnection: close")
    assert status(answer) in (400, 421)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_our_own_names_are_answered(api: Api, host: str) -> None:
    """Every loopback name with our port is ours."""
    assert status(send(api.port, f"GET /api/health HTTP/1.1\nHost: {host}:{api.port}\nConnection: close")) == 200


def test_the_host_is_checked_before_the_token(api: Api) -> None:
    """Somebody who asks for another host learns nothing about tokens."""
    assert status(send(api.port, "GET /api/status HTTP/1.1\nHost: evil.example\nConnection: close")) == 421


# -- Origin and Sec-Fetch-Site ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://evil.example:{port}", "null", "http://api.localhost:{port}",
               "http://localhost:{other}", "https://127.0.0.1:{port}", "http://127.0.0.1", "file://", ""],
)  # fmt: skip
def test_another_origin_is_refused(api: Api, origin: str) -> None:
    """No page but our own may call, not even with a valid token, nor a sibling host or another port."""
    headers = {"Origin": origin.format(port=api.port, other=api.port + 1)}
    with api.client() as client:
        assert client.get("/api/status", headers=headers).status_code == 403
        assert client.post("/api/services/web/stop", headers=headers).status_code == 403


def test_an_origin_that_equals_a_foreign_host_is_refused(api: Api) -> None:
    """After DNS rebinding, Origin and Host agree; neither is ours."""
    answer = send(
        api.port,
        f"GET / HTTP/1.1\nHost: evil.example:{api.port}\nOrigin: http://evil.example:{api.port}\nConnection: close",
    )
    assert status(answer) == 421


def test_our_own_origin_is_answered(api: Api) -> None:
    """The built-in page says where it comes from."""
    with api.client() as client:
        assert client.get("/api/status", headers={"Origin": api.url}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
@pytest.mark.parametrize("path", ["/api/status", "/events", "/metrics", "/"])
def test_requests_of_other_sites_are_refused(api: Api, site: str, path: str) -> None:
    """Other ports and sibling hosts are the same site, and are refused like any other."""
    with api.client() as client:
        assert client.get(path, headers={"Sec-Fetch-Site": site}).status_code == 403


def test_a_link_may_lead_to_the_page_but_not_to_data(api: Api) -> None:
    """A click on a link elsewhere opens the page, which holds no data; everything else stays closed."""
    click = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    with api.anonymous() as client:
        assert client.get("/", headers=click).status_code == 200
        assert client.get("/", headers=click | {"Sec-Fetch-Dest": "iframe"}).status_code == 403
        assert client.get("/api/status", headers=click).status_code == 403
        assert client.post("/", headers=click).status_code == 403


def test_nobody_is_invited_by_cors(api: Api) -> None:
    """No answer allows another origin, and a preflight is refused."""
    with api.client() as client:
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert client.options("/api/status", headers=asked).status_code == 403
        answer = client.get("/api/status", headers={"Origin": api.url})
        assert not [name for name in answer.headers if name.startswith("access-control")]


# -- WebSocket -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [({"Origin": "https://evil.example"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
     ({"Authorization": "Bearer no"}, 401), ({"Authorization": ""}, 401)],
)  # fmt: skip
def test_a_websocket_is_checked_before_it_is_accepted(api: Api, headers: dict[str, str], refusal: int) -> None:
    """The same rules hold for the handshake of a WebSocket."""
    given = {"Authorization": f"Bearer {api.token}"} | headers
    with pytest.raises(InvalidStatus) as refused:
        websockets.sync.client.connect(f"ws://127.0.0.1:{api.port}/ws", additional_headers=given, proxy=None)
    assert refused.value.response.status_code == refusal


def test_a_websocket_of_another_host_is_refused(api: Api) -> None:
    """A handshake for a foreign name gets 421."""
    head = "GET /ws HTTP/1.1\nHost: evil.example\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
    assert status(send(api.port, f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")) == 421


# -- tokens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer nxs_wrong", "Basic abc", "Token {token}", "{token}"])
def test_nobody_is_answered_without_a_valid_token(api: Api, given: str | None) -> None:
    """Being on the same machine is no proof of anything."""
    headers = {} if given is None else {"Authorization": given.format(token=api.token)}
    with api.anonymous() as client:
        answer = client.get("/api/status", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["token", "access_token", "Authorization", "TOKEN"])
def test_a_token_in_the_url_is_refused(api: Api, key: str) -> None:
    """URLs end up in histories and logs, so that a token in one is an error even where it is valid."""
    with api.client() as client:
        answer = client.get("/api/status", params={key: api.token})
    assert answer.status_code == 400
    assert api.token not in answer.text


def test_the_token_is_nowhere_but_in_its_file(api: Api) -> None:
    """Not in the log of the process, the database, the command line or the file of hashes."""
    with api.client() as client:
        client.get("/api/status", params={"token": api.token})
        client.get("/api/status", headers={"X-Token": api.token})
        client.post("/api/sessions", content=api.token)
    files = [path for path in api.home.rglob("*") if path.is_file() and path.name != "token"]
    assert len(files) > 3
    assert [path for path in files if api.token.encode() in path.read_bytes()] == []
    assert api.token.encode() not in Path(f"/proc/{api.process.pid}/cmdline").read_bytes()
    assert api.token.encode() not in Path(f"/proc/{api.process.pid}/environ").read_bytes()


def test_the_token_files_are_for_their_owner_only(api: Api) -> None:
    """0600, both of them."""
    Codes(api.home).make()
    modes = {name: stat.S_IMODE((api.home / name).stat().st_mode) for name in ("token", "tokens.json", "codes.json")}
    assert set(modes.values()) == {0o600}


def test_a_role_may_do_what_it_says(api: Api) -> None:
    """`read` reads, `operate` commands, `admin` hands out tokens; each refusal names the role that is missing."""
    tokens = Tokens(api.home)
    asked = [("GET", "/api/status"), ("POST", "/api/services/web/restart"), ("GET", "/api/tokens")]
    found = {}
    for role in ("read", "operate", "admin"):
        secret = tokens.issue(f"test-{role}", role).secret
        with httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {secret}"}, trust_env=False) as client:
            answers = [client.request(method, path) for method, path in asked]
        found[role] = [answer.status_code for answer in answers]
    assert found == {"read": [200, 403, 403], "operate": [200, 503, 403], "admin": [200, 503, 200]}


def test_a_revoked_token_is_refused_at_once(api: Api) -> None:
    """Without a restart of anything."""
    tokens = Tokens(api.home)
    secret = tokens.issue("short-lived", "read").secret
    with httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {secret}"}, trust_env=False) as client:
        assert client.get("/api/status").status_code == 200
        assert tokens.revoke("short-lived")
        assert client.get("/api/status").status_code == 401


def test_a_code_is_good_once(api: Api) -> None:
    """What `nexus open` hands to the page can't be used again by who finds it in the history."""
    code = Codes(api.home).make()
    with api.anonymous() as client:
        session = client.post("/api/sessions", json={"code": code})
        assert session.status_code == 201
        assert client.post("/api/sessions", json={"code": code}).status_code == 404
        headers = {"Authorization": f"Bearer {session.json()['token']}"}
        assert client.get("/api/session", headers=headers).json()["role"] == "operate"
        assert client.get(f"/api/status?code={code}").status_code == 400


# -- the unix socket -------------------------------------------------------------------------------


def test_the_unix_socket_is_for_its_owner_only(api: Api) -> None:
    """0600 in a folder of 0700; whoever gets there is known by the system, without a token."""
    path = api_socket(api.home)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with api.over_unix() as client:
        assert client.get("/api/session").json()["role"] == "admin"


CONNECT = """
import os, socket, sys
path, user = sys.argv[1:]
os.setuid(int(user))
with socket.socket(socket.AF_UNIX) as one:
    one.settimeout(5)
    one.connect(path)
    one.sendall(b"GET /api/health HTTP/1.1\\r\\nHost: nexus\\r\\nConnection: close\\r\\n\\r\\n")
    print(one.recv(12))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_dropped_even_where_the_rights_are_wide(api: Api, tmp_path: Path) -> None:
    """The system says who is at the other end, whatever became of the file's rights."""
    path = api_socket(api.home)
    assert path is not None
    shared = Path("/tmp") / f"nexus-test-{os.getpid()}.sock"
    os.link(path, shared)
    try:
        shared.chmod(0o777)
        found = [
            subprocess.run([sys.executable, "-c", CONNECT, str(shared), user], capture_output=True, text=True)
            for user in ("65534", "0")
        ]
    finally:
        shared.unlink()
        path.chmod(0o600)
    assert "HTTP" not in found[0].stdout, found
    assert found[1].stdout.strip() == "b'HTTP/1.1 200'", found


def test_a_page_behind_a_forwarded_unix_socket_is_refused(api: Api) -> None:
    """`ssh -L` may put a browser in front of the socket: its Host and Origin are not ours."""
    with api.over_unix() as client:
        assert client.get("/api/status", headers={"Host": "localhost:7777"}).status_code == 421
        assert client.get("/api/status", headers={"Origin": "http://localhost"}).status_code == 403


# -- names, paths and verbs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verb", ["__class__", "shutdown", "stop_service", "command", "down", "exec", "kill", "START", "start%00", "start/"]
)
def test_verbs_are_a_flat_table(api: Api, verb: str) -> None:
    """A verb that is not in the table of operations does not exist, whatever attribute has its name."""
    with api.client() as client:
        assert client.post(f"/api/services/web/{verb}").status_code in (404, 405)


@pytest.mark.parametrize(
    "name", ["..", "../..", "%2e%2e", "..%2f..%2ftoken", "web.1%2f..%2f..%2ftoken", "web%00", "%2fetc%2fpasswd",
             "nexus-api", "secret", "WEB", "."],
)  # fmt: skip
def test_logs_are_found_by_name_and_never_by_path(api: Api, name: str) -> None:
    """No part of a path is ever made of what somebody asks for."""
    (api.home / "logs").mkdir(exist_ok=True)
    (api.home / "logs" / "secret.1.log").symlink_to(api.home / "token") if name == "secret" else None
    answer = send(
        api.port, f"GET /api/services/{name}/logs HTTP/1.1\nHost: 127.0.0.1:{api.port}\n"
        f"Authorization: Bearer {api.token}\nConnection: close",
    )  # fmt: skip
    assert status(answer) == 404
    assert api.token.encode() not in answer


def test_a_log_that_is_a_link_is_not_followed(api: Api) -> None:
    """A service that may write into the folder of logs can't make Nexus read another file."""
    (api.home / "logs").mkdir(exist_ok=True)
    link = api.home / "logs" / "web.1.log"
    link.symlink_to(api.home / "token")
    try:
        with api.client() as client:
            assert client.get("/api/services/web/logs").json()["lines"] == []
    finally:
        link.unlink()


# -- sizes and rates ---------------------------------------------------------------------------------


def test_a_large_body_is_refused_by_its_length(api: Api) -> None:
    """Before any of it is read."""
    with api.client() as client:
        answer = client.post("/api/tokens", content=b"x" * (limits.BODY_BYTES_MAX + 1))
    assert answer.status_code == 413


def test_a_large_body_without_a_length_is_refused(api: Api) -> None:
    """Chunks are counted as they come."""

    def pieces() -> object:
        for _ in range(20):
            yield b"x" * 8192

    with api.client() as client:
        answer = client.post("/api/tokens", content=pieces(), headers={"Content-Type": "application/json"})  # type: ignore[arg-type]
    assert answer.status_code == 413


def test_large_heads_are_refused(api: Api) -> None:
    """Too many headers, too large ones, and too long a URL."""
    with api.client() as client:
        assert client.get("/api/status", headers={f"X-{i}": "1" for i in range(80)}).status_code == 431
        assert client.get("/api/status", headers={"X-Long": "a" * 17_000}).status_code == 431
        assert client.get("/api/events", params={"search": "a" * 9_000}).status_code == 414


def test_an_endless_head_is_cut_off(api: Api) -> None:
    """A head that never ends is not kept in memory."""
    head = f"GET /api/status HTTP/1.1\nHost: 127.0.0.1:{api.port}\nX-Long: {'a' * 100_000}"
    assert status(send(api.port, head, b"")) in (400, 431)


def test_guessing_tokens_is_slowed_down_but_not_its_owner(api: Api) -> None:
    """Whoever guesses gets 429 soon; a valid token is answered all the while."""
    with httpx.Client(base_url=api.url, headers={"Authorization": "Bearer nxs_guess"}, trust_env=False) as guesser:
        answers = [guesser.get("/api/status").status_code for _ in range(160)]
    assert answers.count(429) > 10
    assert set(answers) == {401, 429}
    with api.client() as client:
        assert client.get("/api/status").status_code == 200


def test_commands_are_limited(api: Api) -> None:
    """A script that runs wild gets 429 and is told when to come back."""
    secret = Tokens(api.home).issue("wild", "operate").secret
    with httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {secret}"}, trust_env=False) as client:
        answers = [client.post("/api/services/web/restart") for _ in range(70)]
    slowed = [answer for answer in answers if answer.status_code == 429]
    assert slowed
    assert int(slowed[0].headers["retry-after"]) >= 1


# -- what browsers are told ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/docs", "/api/status", "/api/nothing", "/page/page.js"])
def test_every_answer_tells_browsers_to_be_careful(api: Api, path: str) -> None:
    """No sniffing, no frames, no other host, no referrer."""
    with api.client() as client:
        headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http:" not in policy


def test_no_cookie_is_ever_set(api: Api) -> None:
    """Cookies ignore ports: every supervised service on this host would get them."""
    with api.client() as client:
        answers = [client.get(path) for path in ("/", "/docs", "/api/status", "/api/session")]
    assert [answer for answer in answers if "set-cookie" in answer.headers] == []


def test_the_server_listens_on_loopback_only(api: Api) -> None:
    """Nobody on the network reaches it unless that is asked for."""
    found = psutil.Process(api.process.pid).net_connections("tcp")
    places = [it.laddr for it in found if it.status == psutil.CONN_LISTEN]
    assert places == [("127.0.0.1", api.port)]
