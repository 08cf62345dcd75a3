"""What Envoy says of itself on its admin socket, a file that only root and Envoy may open."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

_TIMEOUT = 2.0
_PARTS = ("cluster_manager.cds", "http.du.rds.du")
_ASKED = f"/stats?filter=^({'|'.join(_PARTS)})[.](version_text|update_rejected|update_failure)$"
_ACTIVE = "http.du.downstream_rq_active"
_LINE = re.compile(r'^(\S+): "?([^"\n]*)"?$', re.MULTILINE)


@dataclass(frozen=True)
class Loaded:
    """Which files Envoy works by: the version in each, and how many it has refused since it was started."""

    clusters: str
    routes: str
    clusters_refused: int
    routes_refused: int


def runs(path: str) -> bool:
    """Whether there is an Envoy with the socket ``path``, however slow it may be to answer."""
    link = _Link(path)
    try:
        link.connect()
    except OSError:
        return False
    finally:
        link.close()
    return True


def loaded(path: str) -> Loaded | None:
    """What the Envoy with the socket ``path`` says; None when it does not answer, or is not ready to."""
    found = dict(_LINE.findall(_ask(path, _ASKED)))
    if f"{_PARTS[0]}.update_rejected" not in found:
        return None
    versions = [found.get(f"{part}.version_text", "") for part in _PARTS]
    # rejected: it means nothing to Envoy; failure: it is not even JSON of the right kind
    refused = [sum(int(found.get(f"{part}.update_{how}", 0)) for how in ("rejected", "failure")) for part in _PARTS]
    return Loaded(*versions, *refused)


def active(path: str) -> int | None:
    """How many requests the Envoy with the socket ``path`` has under way; None when it does not say."""
    found = dict(_LINE.findall(_ask(path, f"/stats?filter=^{_ACTIVE.replace('.', '[.]')}$")))
    return int(found[_ACTIVE]) if _ACTIVE in found else None


def tell(path: str, what: str) -> bool:
    """Have the Envoy with the socket ``path`` do something, for example "/healthcheck/fail"; whether it has."""
    return bool(_ask(path, what, "POST"))


def _ask(path: str, what: str, method: str = "GET") -> str:
    link = _Link(path)
    try:
        link.request(method, what)
        return link.getresponse().read().decode("utf-8", "replace")
    except (OSError, HTTPException):
        return ""
    finally:
        link.close()


class _Link(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)
