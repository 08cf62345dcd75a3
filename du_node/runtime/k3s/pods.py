"""What pods say of themselves, in du-node's own words. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from du_node.runtime.k3s.names import COPIES
from du_node.runtime.k3s.objects import STOPPED, UNREADY
from du_node.runtime.labels import LABELS, container_of
from du_node.state import Container

Json: TypeAlias = dict[str, Any]

_NO_MORE = frozenset({"CrashLoopBackOff", "RunContainerError", "StartError"})


@dataclass(frozen=True)
class Pod:
    """A pod's one container. ``fallen``: it ended by itself, and does not run now. ``restarts`` counts those that it
    had. ``exit_code`` and ``oom`` are of its last end; -1 when it has had none. ``container`` is its id. ``begun``: it
    has been ready since it started, or since the kubelet did."""

    name: str
    node: str
    copies: str
    running: bool
    fallen: bool
    ended: bool
    leaving: bool
    ready: bool
    address: str
    container: str
    restarts: int
    exit_code: int
    oom: bool
    begun: bool
    why: str = ""


def pod_of(told: Json) -> Pod:
    """From what the API tells (Pod v1)."""
    meta, status = told["metadata"], told.get("status") or {}
    found: list[Json] = status.get("containerStatuses") or [{}]
    one = found[0]
    state: Json = one.get("state") or {}
    end: Json = state.get("terminated") or (one.get("lastState") or {}).get("terminated") or {}
    why = str((state.get("waiting") or {}).get("reason") or "")
    return Pod(
        name=meta["name"],
        node=str((told.get("spec") or {}).get("nodeName") or ""),
        copies=str((meta.get("labels") or {}).get(COPIES) or ""),
        running="running" in state,
        fallen="terminated" in state or why in _NO_MORE,
        ended=status.get("phase") in ("Succeeded", "Failed") or "terminated" in state,
        leaving=bool(meta.get("deletionTimestamp")),
        ready=bool(one.get("ready")),
        address=str(status.get("podIP") or ""),
        container=str(one.get("containerID") or "").partition("://")[2],
        restarts=int(one.get("restartCount") or 0),
        exit_code=int(end.get("exitCode", -1)),
        oom=end.get("reason") == "OOMKilled",
        begun=bool(one.get("started")),
        why=why,
    )


def slot_container(told: Json, pods: Sequence[Pod]) -> Container:
    """The slot that a Service of ours is. It runs as long as one of its copies does, or is about to."""
    noted = told["metadata"]["annotations"]
    copies = told["metadata"]["labels"][COPIES]
    own = [pod for pod in pods if pod.copies == copies and not pod.leaving]
    fallen = [pod for pod in own if pod.fallen]
    running = noted.get(STOPPED) != "true" and (not own or len(fallen) < len(own))
    labels = {name: noted[name] for name in LABELS if name in noted}
    code = 0 if running else max((pod.exit_code for pod in fallen), default=0)
    found = container_of(labels, noted["du.image"], running=running, exit_code=max(0, code))
    return replace(found, unready_port=int(noted.get(UNREADY) or 0))


def nearest(pods: Iterable[Pod], copies: str, node: str) -> Pod | None:
    """The copy that stands for a slot: this node's own before another node's, one that stays before one that leaves,
    one that runs before one that does not."""
    own = [pod for pod in pods if pod.copies == copies]
    return min(own, key=lambda pod: (pod.leaving, pod.node != node, not pod.running, pod.name), default=None)


def sick(pods: Iterable[Pod], copies: str, node: str) -> Pod | None:
    """The copy to end where a slot's port does not answer well: of this node's, if it has any; None where all are well.

    One that the kubelet finds ready stays, and so does one that is only beginning. Then the port leads to copies of a
    node that is lost, or this node has too much to do, and who ended what serves would make an outage of that.
    """
    staying = [pod for pod in pods if pod.copies == copies and not pod.leaving]
    near = [pod for pod in staying if pod.node == node] or staying
    bad = [pod for pod in near if pod.fallen or (pod.running and pod.begun and not pod.ready)]
    return min(bad, key=lambda pod: pod.name, default=None)
