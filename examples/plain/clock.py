"""Tells the time: GET / on the port that Nexus chose."""

import json
import os
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Clock(BaseHTTPRequestHandler):
    """Answers every path with the present time."""

    def do_GET(self) -> None:
        """Answer {"time": ISO 8601}."""
        body = json.dumps({"time": datetime.now().astimezone().isoformat(timespec="seconds")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet about health checks."""
        if self.path != "/health":
            super().log_message(format, *arguments)


if __name__ == "__main__":
    address = ("127.0.0.1", int(os.environ["PORT"]))
    print(f"the clock ticks at http://{address[0]}:{address[1]}/", flush=True)
    ThreadingHTTPServer(address, Clock).serve_forever()
