"""The cluster as its API tells it, by `k3s kubectl` on a server: names and states, and nothing that is secret."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from du_node.command import run
from du_node.errors import NodeError

MARK = "du-infra/drained"
"""On a Node that du-infra has drained; who else cordons a Node does not put it there."""

REMOVE, REMOVED = "etcd.k3s.cattle.io/remove", "etcd.k3s.cattle.io/removed-node-name"
"""On a server's Node: whoever wants etcd to let it go writes the first, K3s the second when it has."""

_PASSWORD = ".node-password.k3s"  # noqa: S105 - what the names of the secrets end with
_SECONDS = 20.0
_MIRROR = "kubernetes.io/config.mirror"


def cluster() -> dict[str, Any]:
    """{"nodes": [{"name", "ready", "cordoned", "marked", "drained", "version", "server", "removing"}], "passwords"}.

    "drained": cordoned, and no pod is left to move. "removing": etcd was asked to let it go, and has not yet.
    "passwords": names of the nodes that K3s keeps one for. Raises NodeError not-ready when the API does not answer.
    """
    found = _items("/api/v1/nodes")
    return {"nodes": [_node(one) for one in found], "passwords": _passwords()}


def _node(one: Mapping[str, Any]) -> dict[str, Any]:
    head, name = one["metadata"], str(one["metadata"]["name"])
    notes: Mapping[str, str] = head.get("annotations") or {}
    status = one.get("status") or {}
    conditions = {str(c["type"]): c["status"] for c in status.get("conditions") or ()}
    cordoned = bool((one.get("spec") or {}).get("unschedulable"))
    return {
        "name": name,
        "ready": conditions.get("Ready") == "True",
        "cordoned": cordoned,
        "marked": MARK in notes,
        "drained": cordoned and not any(map(_moves, _items(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}"))),
        "version": str((status.get("nodeInfo") or {}).get("kubeletVersion") or ""),
        "server": "node-role.kubernetes.io/control-plane" in (head.get("labels") or {}),
        "removing": notes.get(REMOVE, "").lower() == "true" and REMOVED not in notes,
    }


def _moves(pod: Mapping[str, Any]) -> bool:
    """Whether a drain would move it (kubernetes.io/docs/tasks/administer-cluster/safely-drain-node)."""
    head = pod["metadata"]
    owners: Iterable[Mapping[str, Any]] = head.get("ownerReferences") or ()
    stays = any(owner.get("kind") == "DaemonSet" for owner in owners) or _MIRROR in (head.get("annotations") or {})
    return not stays and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _passwords() -> list[str]:
    """Names of the nodes for which K3s keeps a password."""
    lines = _ask("get", "secrets", "-n", "kube-system", "-o", "name").splitlines()
    names = (line.partition("/")[2].strip() for line in lines)
    return sorted(name.removesuffix(_PASSWORD) for name in names if name.endswith(_PASSWORD))


def _items(path: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(_ask("get", "--raw", path))["items"])
    except (ValueError, KeyError, TypeError) as broken:
        raise NodeError("not-ready", "the cluster's API answers with something else than JSON") from broken


def _ask(*words: str) -> str:
    done = run(["k3s", "kubectl", *words, "--request-timeout=10s"], timeout=_SECONDS)
    if done.code != 0:
        last = (done.err.strip().splitlines() or ["it says nothing"])[-1]
        raise NodeError("not-ready", f"the cluster's API does not answer: {last[:200]}")
    return done.out
