"""Which path gets what, and who gets it. Read only: nothing that is asked here changes anything."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import json
import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from du_infra.seeing import metrics, page
from du_infra.seeing.api import status_json
from du_infra.seeing.board import Board, Snapshot
from du_infra.seeing.http import Request, Response, plain

_METHODS = "GET, HEAD"
_FRESH_SECONDS = 1.0
_SHARE = 20
_KEPT = 32
_UNKNOWN = "?"  # no region has such a name
_HARDENED = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": page.POLICY,
}


class Site:
    """Answers requests from a board. ``token``: without it nobody gets more than whether the loop lives.

    What is made is kept for a second, and for twenty times as long as it took: a thousand who ask cost no more than
    one, and never more than a twentieth of a CPU for each path, and for each region's own page.
    """

    def __init__(self, board: Board, token: str = "") -> None:
        self._board = board
        self._token = token
        self._registry = metrics.registry_of(board.snapshot)
        self._kept: dict[tuple[str, str, bool], tuple[float, Response]] = {}
        self._lock = threading.Lock()
        self._paths: dict[str, Callable[[Request], Response]] = {
            "/": self._page,
            "/api/status": self._api,
            "/metrics": self._metrics,
            "/icon.svg": lambda request: Response(200, page.ICON, "image/svg+xml"),
        }

    def __call__(self, request: Request) -> Response:
        """The answer, with the headers that every answer has."""
        found = self._answer(request)
        return Response(found.status, found.body, found.type, {**_HARDENED, **found.headers})

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return plain(405, "this page is read-only: nothing can be changed here", {"Allow": _METHODS})
        if request.path == "/healthz":
            return self._health(request)
        if refused := self._refused(request):
            return refused
        make = self._paths.get(request.path)
        return self._fresh(request, make) if make else plain(404)

    def _refused(self, request: Request) -> Response | None:
        """Without a token the asker must have asked for this machine: a page of somebody else's could have a name of
        its own lead here, and read what its visitor may (DNS rebinding)."""
        if not self._token:
            return None if _this_machine(request.headers.get("host", "")) else plain(421, "ask for localhost")
        if authorized(request.headers.get("authorization", ""), self._token):
            return None
        return plain(401, headers={"WWW-Authenticate": 'Basic realm="du-infra", charset="UTF-8"'})

    def _fresh(self, request: Request, make: Callable[[Request], Response]) -> Response:
        key = (request.path, *(self._asked(request) if request.path == "/" else ("", False)))
        with self._lock:
            until, response = self._kept.get(key, (0.0, None))
            began = time.monotonic()
            if response is None or began >= until:
                response = make(request)
                if len(self._kept) >= _KEPT:
                    self._kept.clear()
                now = time.monotonic()
                self._kept[key] = now + max(_FRESH_SECONDS, _SHARE * (now - began)), response
        return response

    def _health(self, request: Request) -> Response:
        """For who watches the loop; the reasons are only for those who may see the rest."""
        stale = self._board.snapshot().stale
        words = "\n".join(stale) if stale and self._refused(request) is None else "stale" if stale else "ok"
        return plain(503 if stale else 200, words)

    def _metrics(self, request: Request) -> Response:
        return Response(200, metrics.exposition(self._registry), metrics.CONTENT_TYPE)

    def _api(self, request: Request) -> Response:
        body = json.dumps(status_json(self._board.snapshot()), ensure_ascii=False)
        return Response(200, body.encode("utf-8", "replace"), "application/json")

    def _page(self, request: Request) -> Response:
        region, still = self._asked(request)
        seen: Snapshot = self._board.snapshot()
        body = page.render(seen, region=region, still=still)
        return Response(200, body.encode("utf-8", "replace"), "text/html; charset=utf-8")

    def _asked(self, request: Request) -> tuple[str, bool]:
        """The region, "" for all, and whether the page stands still. Nothing else of the query makes another page."""
        asked = {name: values[-1] for name, values in parse_qs(request.query, keep_blank_values=True).items()}
        region = asked.get("region", "")
        return region if not region or self._board.minds(region) else _UNKNOWN, "still" in asked


def authorized(header: str, token: str) -> bool:
    """Bearer TOKEN, for programs, or a password, for browsers; whatever the user's name is."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif kind.lower() != "bearer":
        return False
    return hmac.compare_digest(value.strip().encode(), token.encode())


def _this_machine(host: str) -> bool:
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    if name in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
