"""The project that the browser tests and the screenshots watch: small servers with the shapes of a real system."""

from __future__ import annotations

import sys
from pathlib import Path

SERVER = """
import http.server, json, os, sys, threading, time

def document():
    name = sys.argv[1]
    answer = {"responses": {"200": {"description": "it"}}}
    part = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    paths = {
        "/health": {"get": {"summary": "How it is", **answer}},
        f"/{name}": {"get": {"summary": "All", **answer}, "post": {"summary": "One more", **answer}},
        f"/{name}/{{id}}": {"parameters": [part], "get": {"summary": "One", **answer}},
    }
    if name == "core":
        paths["/core/status"] = {"get": {"summary": "Its state", **answer}}
    return json.dumps({"openapi": "3.1.0", "info": {"title": name, "version": "1"}, "paths": paths}).encode()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/openapi.json":
            return self.answer(200, document())
        broken = os.path.exists(f"{sys.argv[1]}.broken")
        body = b'{"state": "catching up", "behind": 1204}' if broken else b'{"state": "well"}'
        self.answer(503 if broken else 200, body)
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

def work():
    number = 0
    while True:
        number += 1
        print(f"{sys.argv[1]}: request {number} answered in {number * 7 % 23 + 2} ms", flush=True)
        time.sleep(2)

threading.Thread(target=work, daemon=True).start()
print(f"{sys.argv[1]} listens on {sys.argv[2]}", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""

NEEDS = {
    "database": [], "cache": [], "router": ["database"], "core": ["router", "database"], "bridge": ["core", "router"],
    "web": ["router"], "synthesis": ["core"], "indexer": ["database", "cache"], "notifier": ["router"],
}  # fmt: skip
CATEGORIES = {
    "database": "storage", "cache": "storage", "router": "api", "bridge": "api", "web": "web", "core": "autonomous",
    "synthesis": "autonomous", "indexer": "background", "notifier": "background",
}  # fmt: skip


def configuration(folder: Path, needs: dict[str, list[str]] = NEEDS, given_up: tuple[str, ...] = ()) -> str:
    """The text of a nexus.toml for these services; their program is written beside it.

    Those in `given_up` are not tried again when they fail.
    """
    (folder / "server.py").write_text(SERVER)
    parts = ['[nexus]\nproject = "aurora"\n']
    for name, needed in needs.items():
        instances = "instances = 3\n" if name == "synthesis" else ""
        parts.append(
            f'[services.{name}]\ncommand = "{sys.executable} server.py {name} {{port}}"\nport = "auto"\n'
            f'category = "{CATEGORIES.get(name, "api")}"\ndepends_on = {needed!r}\n{instances}'
            'health = { http = "/health", interval = "300ms" }\n'
            f"restart = {{ delays = {[] if name in given_up else ['2s', '2s', '2s']!r}, on_unhealthy = false }}\n"
        )
    return "\n".join(parts)
