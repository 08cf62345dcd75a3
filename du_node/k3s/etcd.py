"""The etcd of K3s as this server sees it: who is a member, and whether its own member answers.

K3s ships no etcdctl, and etcd's own API is gRPC alone. Source: K3s 1.34, pkg/etcd: servers that join ask the supervisor
for /db/info, which lists etcd's members; they are named after their Node, "-" and 8 digits. etcd.io, "Monitoring etcd":
/health of the listener for metrics, which K3s has on 127.0.0.1:2381.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from du_node import files as plain
from du_node.k3s import files

_MEMBERS = "https://127.0.0.1:6443/db/info"
_HEALTH = "http://127.0.0.1:2381/health"
_SECONDS = 5.0


def etcd() -> dict[str, Any]:
    """{"members": [{"name", "address", "learner"}], "healthy"}; "members" is null when etcd has no majority.

    "name" is the Node's, "" for a member that has not started yet; "healthy": this server's own member answers, and has
    a majority behind it.
    """
    return {"members": _members(), "healthy": _healthy()}


def _members() -> list[dict[str, Any]] | None:
    try:
        context = ssl.create_default_context(cafile=f"{files.DATA}/server/tls/server-ca.crt")
        with urllib.request.urlopen(_request(), timeout=_SECONDS, context=context) as answer:  # noqa: S310 - https
            return [_member(one) for one in json.loads(answer.read())["members"] or ()]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _request() -> urllib.request.Request:
    """As a server of the cluster: its token is on this server's disk."""
    password = plain.read(f"{files.DATA}/server/token").strip().rpartition("::server:")[2]
    secret = base64.b64encode(f"server:{password}".encode()).decode()
    return urllib.request.Request(_MEMBERS, headers={"Authorization": f"Basic {secret}"})


def _member(one: dict[str, Any]) -> dict[str, Any]:
    address = urlsplit(str(one["peerURLs"][0])).hostname or ""
    name = str(one.get("name") or "").rpartition("-")[0]
    return {"name": name, "address": address, "learner": bool(one.get("isLearner"))}


def _healthy() -> bool:
    try:
        with urllib.request.urlopen(_HEALTH, timeout=_SECONDS) as answer:
            return bool(json.loads(answer.read()).get("health") == "true")
    except (OSError, ValueError, AttributeError):
        return False
