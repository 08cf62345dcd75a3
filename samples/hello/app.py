"""hello: the sample service. Standard library only; behaves as process 1 of a container should.

Settings come from the environment: HELLO_VERSION (shown), HELLO_GREETING (shown), HELLO_READY ("yes", "no": 503,
"missing": 404), HELLO_PORT (8080).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("HELLO_VERSION", "dev")
GREETING = os.environ.get("HELLO_GREETING", "Hello from du-infra")
READY = {"yes": 200, "no": 503, "missing": 404}[os.environ.get("HELLO_READY", "yes")]


class Server(ThreadingHTTPServer):
    """Counts the requests under way, so that the process can answer them all before it goes."""

    daemon_threads = True
    request_queue_size = 128
    busy = 0
    changed = threading.Condition()

    def count(self, step: int) -> None:
        """One request more (1) or less (-1)."""
        with self.changed:
            self.busy += step
            self.changed.notify_all()

    def finish(self, seconds: float) -> None:
        """Wait until no request is under way."""
        with self.changed:
            self.changed.wait_for(lambda: self.busy == 0, timeout=seconds)


class Handler(BaseHTTPRequestHandler):
    """GET / greets, GET /readyz says whether requests may come, GET /env shows HELLO_*, POST counts bytes."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # One write an answer: two small ones would wait for each other (Nagle, delayed ACK).
    server_version = "hello"
    sys_version = ""

    def handle_one_request(self) -> None:
        """Idle connections do not count; a request counts from its first line on."""
        self.counted = False
        try:
            super().handle_one_request()
        finally:
            if self.counted:
                self.server.count(-1)

    def parse_request(self) -> bool:
        """The first line has come."""
        self.counted = True
        self.server.count(1)
        return super().parse_request()

    def do_GET(self) -> None:
        """Answer a GET."""
        if self.path == "/readyz":
            self.answer(READY, {200: "ready", 503: "not ready", 404: "no such page"}[READY])
        elif self.path == "/env":
            shown = {key: value for key, value in sorted(os.environ.items()) if key.startswith("HELLO_")}
            self.answer(200, json.dumps(shown))
        else:
            self.answer(200, f"{GREETING}\nversion {VERSION}\nslot {socket.gethostname()}")

    def do_POST(self) -> None:
        """Answer a POST with the number of bytes that came."""
        length = int(self.headers.get("Content-Length") or 0)
        received = 0
        while received < length and (block := self.rfile.read(min(65536, length - received))):
            received += len(block)
        self.answer(200, str(received))

    def answer(self, status: int, text: str) -> None:
        """Send one small answer as a single write."""
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    server = Server(("", int(os.environ.get("HELLO_PORT", "8080"))), Handler)

    def stop(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stdout.reconfigure(line_buffering=True)
    print(f"hello {VERSION} listens on port {server.server_address[1]}")
    server.serve_forever(poll_interval=0.1)
    server.socket.close()
    server.finish(seconds=9)
    print(f"hello {VERSION} stops")


if __name__ == "__main__":
    main()
