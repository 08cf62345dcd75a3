"""The cluster's API, asked over HTTPS with du-node's own credentials. An adapter: it decides nothing.

Source: Kubernetes API concepts (kubernetes.io/docs/reference/using-api/api-concepts): optimistic concurrency by
``resourceVersion``, and preconditions of a deletion.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

from du_node import files, places
from du_node.errors import NodeError

Json: TypeAlias = dict[str, Any]

NAMESPACE = "du-infra"
"""Where everything of ours is in the cluster."""

_SECONDS = 20.0
_CONNECT_SECONDS = 3.0
_KINDS = {
    "deployments": "/apis/apps/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
}


class Changed(Exception):
    """Somebody else changed the object meanwhile (409): look again."""


class Api:
    """Objects of our namespace. Every method raises NodeError tool when the API does not answer, or refuses.

    ``servers``: where it may be asked (https://HOST:PORT), the nearest first. Whoever answered last is asked first.
    """

    def __init__(self, servers: Sequence[str], ca: str, token: str, seconds: float = _SECONDS) -> None:
        self._places = deque(map(urlsplit, servers))
        self._seconds = seconds
        self._trust = ssl.create_default_context(cadata=ca)
        self._token = token
        self._link: http.client.HTTPSConnection | None = None

    def ready(self) -> bool:
        """Whether the API says that it is."""
        try:
            return self._ask("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def status(self) -> int:
        """What the API answers to what du-node always may, see pods: 200, 401 … Raises OSError when it does not."""
        try:
            return self._ask("GET", f"{_path('pods')}?limit=1")[0]
        except http.client.HTTPException as odd:
            raise OSError(f"not HTTP: {odd!r}") from odd

    def get(self, kind: str, name: str) -> Json | None:
        """The object; None when there is none."""
        status, text = self._call("GET", _path(kind, name))
        return None if status == 404 else _object(kind, name, status, text)

    def all(self, kind: str, labels: Mapping[str, str]) -> list[Json]:
        """Every object with these labels."""
        chosen = ",".join(f"{key}={value}" for key, value in labels.items())
        status, text = self._call("GET", f"{_path(kind)}?{urlencode({'labelSelector': chosen})}")
        return list(_object(kind, "", status, text).get("items") or ())

    def create(self, kind: str, made: Json) -> bool:
        """Create it; false when one of its name is there."""
        status, text = self._call("POST", _path(kind), made)
        if status == 409:
            return False
        _object(kind, made["metadata"]["name"], status, text)
        return True

    def replace(self, kind: str, changed: Json) -> None:
        """Write it back as it was read and changed. Raises Changed when it is another one by now."""
        name = changed["metadata"]["name"]
        status, text = self._call("PUT", _path(kind, name), changed)
        if status in (404, 409):
            raise Changed
        _object(kind, name, status, text)

    def delete(self, kind: str, name: str, version: str = "") -> None:
        """Delete it; none there is as good. With ``version`` only that one: raises Changed when it is another."""
        only: Json = {"preconditions": {"resourceVersion": version}} if version else {}
        status, text = self._call("DELETE", _path(kind, name), {"propagationPolicy": "Background", **only})
        if status == 409:
            raise Changed
        if status != 404:
            _object(kind, name, status, text)

    def log(self, pod: str, lines: int, *, previous: bool = False) -> str:
        """The end of a pod's log, of its present container or of the one before; empty when there is none."""
        wish = urlencode({"tailLines": lines, "previous": str(previous).lower()})
        status, text = self._call("GET", f"{_path('pods', pod)}/log?{wish}")
        return text if status == 200 else ""

    def _call(self, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
        try:
            return self._ask(method, path, body)
        except (OSError, http.client.HTTPException) as trouble:
            raise NodeError(
                "tool",
                "the cluster's API does not answer",
                todo="see `journalctl -u k3s -u k3s-agent` on the node, and whether the region's servers run",
                detail=str(trouble),
            ) from trouble

    def _ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
        """One question. A kept connection may have been closed by the other side: it is asked once more on a new one,
        and then elsewhere, which is no harm, because every one of our calls may be made twice."""
        if self._link is not None:
            try:
                return self._once(self._link, method, path, body)
            except (OSError, http.client.HTTPException):
                self._hang_up()
        failed: OSError | http.client.HTTPException = OSError("no server is known")
        for _ in self._places.copy():
            try:
                return self._once(self._dial(), method, path, body)
            except (OSError, http.client.HTTPException) as trouble:
                failed = trouble
                self._hang_up()
                self._places.rotate(-1)
        raise failed

    def _dial(self) -> http.client.HTTPSConnection:
        """A new connection: whoever does not take it soon is away, and an answer may take longer."""
        host, port = self._places[0].hostname or "", self._places[0].port or 443
        self._link = http.client.HTTPSConnection(host, port, timeout=_CONNECT_SECONDS, context=self._trust)
        self._link.connect()
        self._link.sock.settimeout(self._seconds)
        return self._link

    def _once(self, link: http.client.HTTPSConnection, method: str, path: str, body: Json | None) -> tuple[int, str]:
        head = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            head["Content-Type"] = "application/json"
        link.request(method, path, None if body is None else json.dumps(body), head)
        answer = link.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None


def connect() -> Api:
    """With the credentials that this node was given. Raises NodeError tool when it has none."""
    told = files.read_json(places.KUBE)
    try:
        servers = [str(told["server"]), *map(str, told.get("others") or ())]
        return Api(servers, str(told["ca"]), str(told["token"]))
    except (KeyError, ssl.SSLError) as lacks:
        text = "this node has no access to its cluster"
        raise NodeError("tool", text, todo="run `du-infra region up`", detail=str(lacks)) from lacks


def _path(kind: str, name: str = "") -> str:
    path = f"{_KINDS.get(kind, '/api/v1')}/namespaces/{NAMESPACE}/{kind}"
    return f"{path}/{quote(name)}" if name else path


def _object(kind: str, name: str, status: int, text: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    if 200 <= status < 300 and isinstance(found, dict):
        return found
    said = str(found.get("message") or text)[:500] if isinstance(found, dict) else text[:500]
    raise NodeError("tool", f"the cluster refuses {kind} {name}".strip(), detail=f"{status}: {said}")
