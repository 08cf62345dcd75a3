"""hello: the sample service. Standard library only; behaves as process 1 of a container should.

GET / greets, /readyz says whether requests may come, /env shows the HELLO_… variables, /sleep/<seconds> answers so
much later, /ws is a websocket that echoes, /events sends an event a second. POST counts the bytes that came.
HELLO_PORT is 8080; every other setting, and every way to misbehave, is in traits.py.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import live
import traits

TRAITS = traits.read()
ERRORS = traits.Errors(TRAITS.errors_percent)
BEGAN = time.monotonic()
_LONGEST_SLEEP = 50.0


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
    """One connection; see the module's words for the paths."""

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
        path = self.path.partition("?")[0]
        if path == "/readyz":
            self.ready()
        elif not self.failed():
            time.sleep(TRAITS.delay)
            self.page(path)

    def do_POST(self) -> None:
        """Answer a POST with the number of bytes that came."""
        length = int(self.headers.get("Content-Length") or 0)
        received = 0
        while received < length and (block := self.rfile.read(min(65536, length - received))):
            received += len(block)
        if not self.failed():
            time.sleep(TRAITS.delay)
            self.answer(200, str(received))

    def ready(self) -> None:
        """Whether requests may come."""
        status = 503 if time.monotonic() - BEGAN < TRAITS.ready_after else TRAITS.ready
        self.answer(status, {200: "ready", 503: "not ready", 404: "no such page"}[status])

    def page(self, path: str) -> None:
        """What a path shows; where a service has a path prefix, only the last words count."""
        if path.endswith("/ws"):
            live.websocket(self)
        elif path.endswith("/events"):
            live.events(self, TRAITS.version)
            self.close_connection = True
        elif path.endswith("/env"):
            shown = {key: value for key, value in sorted(os.environ.items()) if key.startswith("HELLO_")}
            self.answer(200, json.dumps(shown))
        else:
            seconds = path.rpartition("/sleep/")[2]
            time.sleep(min(float(seconds), _LONGEST_SLEEP) if seconds.isdigit() else 0)
            self.answer(200, f"{TRAITS.greeting}\nversion {TRAITS.version}\nslot {socket.gethostname()}")

    def failed(self) -> bool:
        """Whether this request is one of those that are to fail; then it is answered."""
        if not ERRORS.next_fails():
            return False
        self.answer(500, "an error, as asked for")
        return True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Only what went wrong is worth a line."""
        if int(code) >= 400:
            super().log_request(code, size)

    def answer(self, status: int, text: str) -> None:
        """Send one small answer as a single write."""
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def obey_signals(server: Server) -> None:
    """SIGTERM as the traits say, SIGINT always ends it well."""

    def stop(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGINT, stop)
    if TRAITS.on_sigterm == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif TRAITS.on_sigterm == "exit":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    else:
        signal.signal(signal.SIGTERM, stop)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    server = Server(("", int(os.environ.get("HELLO_PORT", "8080"))), Handler)
    obey_signals(server)
    sys.stdout.reconfigure(line_buffering=True)
    print(f"hello {TRAITS.version} listens on port {server.server_address[1]}")
    traits.begin(TRAITS)
    server.serve_forever(poll_interval=0.1)
    server.socket.close()
    live.farewell()
    server.finish(seconds=9)
    print(f"hello {TRAITS.version} stops")


if __name__ == "__main__":
    main()
