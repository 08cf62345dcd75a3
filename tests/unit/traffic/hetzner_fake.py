"""A small fake of Hetzner's API for zones: as much of it as du-infra uses, over HTTP, from its documentation.

It is not Hetzner: limits, quotas, the time until its name servers have a change, and errors that only a busy zone has
do not show here.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-fake"
_RRSET = re.compile(r"/zones/(?P<zone>[^/]+)/rrsets/(?P<name>[^/]+)/(?P<type>A|AAAA)(/actions/(?P<action>\w+))?")


class Fake:
    """One zone. ``calls``: what was asked, in order; ``fail_after``: how many changes it makes before it fails."""

    def __init__(self, zone: str, ttl: int = 3600) -> None:
        self.zone, self.ttl = zone, ttl
        self.rrsets: dict[tuple[str, str], dict[str, Any]] = {}
        self.calls: list[str] = []
        self.fail_after: int | None = None
        self.actions = 0
        self.endpoint = ""

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        self.calls.append(f"{method} {path}")
        path = path.replace("/zones/1/", f"/zones/{self.zone}/")  # by its id, as it may be
        if method != "GET":
            if self.fail_after == 0:
                return 503, _error("unavailable", "the fake was told to fail")
            self.fail_after = None if self.fail_after is None else self.fail_after - 1
        if path.startswith("/actions/") or ("/actions/" in path and method == "GET"):
            return 200, {"action": self._action()}
        if path == f"/zones/{self.zone}":
            return 200, {"zone": self._zone()}
        if path == f"/zones/{self.zone}/rrsets":
            return self._list(query) if method == "GET" else self._create(body)
        found = _RRSET.fullmatch(path)
        if not found or found["zone"] != self.zone or (found["name"], found["type"]) not in self.rrsets:
            return 404, _error("not_found", "no such thing")
        return self._change(method, (found["name"], found["type"]), found["action"], body)

    def _change(self, method: str, key: tuple[str, str], action: str | None, body: Any) -> tuple[int, Any]:
        if method == "DELETE":
            del self.rrsets[key]
        elif action == "set_records" and body["records"]:
            self.rrsets[key]["records"] = body["records"]
        elif action == "change_ttl" and body["ttl"] >= 60:
            self.rrsets[key]["ttl"] = body["ttl"]
        else:
            return 422, _error("invalid_input", f"{action}: {body}")
        return 201, {"action": self._action()}

    def _create(self, body: Any) -> tuple[int, Any]:
        key = (body["name"], body["type"])
        if key in self.rrsets or not body["records"]:
            return 409, _error("uniqueness_error", "there is one already")
        rrset = {**body, "id": "/".join(key), "labels": {}, "protection": {"change": False}, "zone": 1}
        self.rrsets[key] = rrset
        return 201, {"rrset": rrset, "action": self._action()}

    def _list(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        found = [
            rrset
            for (name, kind), rrset in self.rrsets.items()
            if name in query.get("name", [name]) and kind in query.get("type", [kind])
        ]
        page = {"page": 1, "per_page": 50, "previous_page": None, "next_page": None, "last_page": 1}
        return 200, {"rrsets": found, "meta": {"pagination": {**page, "total_entries": len(found)}}}

    def _zone(self) -> dict[str, Any]:
        servers = {"assigned": ["hydrogen.ns.example.", "oxygen.ns.example."]}
        return {"id": 1, "name": self.zone, "mode": "primary", "ttl": self.ttl, "authoritative_nameservers": servers}

    def _action(self) -> dict[str, Any]:
        self.actions += 1
        times = {"started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:01Z"}
        return {"id": self.actions, "command": "change", "status": "success", "progress": 100, "error": None, **times}


@contextmanager
def running(fake: Fake) -> Iterator[Fake]:
    """It answers at ``fake.endpoint`` meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            url = urlsplit(self.path)
            allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
            status, answer = (
                fake.answer(self.command, url.path, parse_qs(url.query), body)
                if allowed
                else (401, _error("unauthorized", "unable to authenticate"))
            )
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield fake
        finally:
            server.shutdown()


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": {}}}
