"""Greets: GET /NAME on the port that Nexus chose; asks the clock what time of day it is."""

import json
import os
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote
from urllib.request import urlopen

CLOCK_URL = os.environ["CLOCK_URL"]


def greeting(name: str) -> str:
    """A greeting that fits the clock's hour; raises OSError when the clock does not answer."""
    with urlopen(CLOCK_URL, timeout=1) as answer:  # noqa: S310 - the address comes from Nexus
        hour = datetime.fromisoformat(json.load(answer)["time"]).hour
    part = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    return f"Good {part}, {name or 'stranger'}!\n"


class Greeter(BaseHTTPRequestHandler):
    """Answers /health for itself and everything else with a greeting."""

    def do_GET(self) -> None:
        """Answer in plain text; 503 when the clock does not answer."""
        try:
            status, text = (200, "ok\n") if self.path == "/health" else (200, greeting(unquote(self.path[1:])))
        except OSError as error:
            status, text = 503, f"the clock at {CLOCK_URL} does not answer: {error}\n"
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet about health checks."""
        if self.path != "/health":
            super().log_message(format, *arguments)


if __name__ == "__main__":
    address = ("127.0.0.1", int(os.environ["PORT"]))
    print(f"the greeter waits at http://{address[0]}:{address[1]}/", flush=True)
    ThreadingHTTPServer(address, Greeter).serve_forever()
