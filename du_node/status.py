"""``du-node status``: how the node is, as one JSON object. One call of nerdctl, the rest is reading."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from du_node import files, gateway, handover, outlook, places, probe, processes, runtime, settings
from du_node.errors import NodeError
from du_node.gateway.driver import Driver, connections
from du_node.load import load
from du_node.preflight import memory_info
from du_node.readiness import explain
from du_node.state import Container, Gateway, Pair

# What is ours on a node and the same however many services run. containerd's shims (one for each container) are
# counted as part of the service.
_OURS = ("keepalived", "du-node")


def status() -> dict[str, Any]:
    """The object that docs/du-node.md describes."""
    wanted = files.read_json(places.WANTED)
    entrance = gateway.chosen()
    seen = entrance.observe()
    configured = files.read_json(places.CONFIGURED)
    told = result(wanted)
    done = told["ended"] and not told["failed"] and not told["held"]
    services, trouble = _services(wanted, entrance, seen, told["failed"])
    names = {service["name"] for service in services if service["ready"]}
    ready = bool(wanted) and not trouble and seen.running and seen.live == seen.disk != ""
    return {
        "node": wanted.get("node", ""),
        "ready": ready and all(s["name"] in names for s in wanted.get("services", ())),
        "config": told["config"] if done else "",
        "configured": {"hash": configured.get("hash", ""), "drift": drift(configured.get("files", {}))},
        "gateway": {
            "kind": entrance.kind,
            "version": entrance.version(),
            "running": seen.running,
            "config": seen.live,
        },
        "runtime": settings.runtime(),
        "services": services,
        "draining": bool(files.stamp(places.DRAINED)),
        "vip": handover.holds_vip(),
        "peers": peers(),
        "regions": outlook.seen(files.read_json),
        "load": load(),
        "busy": files.holder(),
        "result": told,
        "memory": _memory(),
        "disk": _disk(),
        "uptime_s": int(float(files.read("/proc/uptime").split()[0])),
        "why": trouble,
    }


def result(wanted: dict[str, Any]) -> dict[str, Any]:
    """How the last apply went, for what is wanted now: all of it open where it has written nothing yet."""
    found = files.read_json(places.RESULT)
    if found.get("wanted") != files.stamp(places.WANTED):
        found = {"ended": False}
    return {
        "config": str(wanted.get("config", "")),
        "ended": bool(found.get("ended", True)) and bool(wanted),
        "held": found.get("held", []),
        "failed": found.get("failed", {}),
        "reports": found.get("reports", {}),
    }


def peers() -> list[dict[str, Any]]:
    """The region's other nodes as ``serve`` sees them. One that it has not judged yet counts as up and ready."""
    seen, now = files.read_json(places.SEEN), time.clock_gettime(time.CLOCK_BOOTTIME)
    rows = []
    for name, address in settings.peers():
        told = seen.get(name, {})
        age = max(0.0, now - float(told.get("since", now)))
        known = {key: bool(told.get(key, True)) for key in ("up", "ready")} | {"draining": bool(told.get("draining"))}
        when = {"since": round(time.time() - age, 1), "for_s": round(age, 1)}
        rows.append({"name": name, "address": address, **known, **when})
    return rows


def drift(recorded: dict[str, str]) -> list[str]:
    """Which of the files that the roles wrote are no longer as they were written (``recorded``: path → sha256)."""
    return sorted(path for path, digest in recorded.items() if _sha256(path) != digest)


def _sha256(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def _services(
    wanted: dict[str, Any], entrance: Driver, seen: Gateway, failed: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    try:
        containers, copies = runtime.chosen().look()
        trouble = ""
    except NodeError as failure:
        containers, copies, trouble = (), {}, failure.what
    restarts = files.read_json(places.RESTARTS)
    names = {s["name"] for s in wanted.get("services", ())}
    rows = []
    for name in sorted({*names, *seen.pairs}):
        slots = {c.slot: c for c in containers if c.service == name}
        pair = seen.pairs.get(name, Pair(""))
        verdict = failed[name].get("text") or "its wanted release failed" if name in failed else ""
        row = _row(slots.get(pair.primary), trouble or verdict)
        roles = _roles(slots, pair, entrance)
        more = {"copies": asdict(found)} if (found := copies.get((name, pair.primary))) else {}
        rows.append({"name": name, **row, **roles, "restarts": int(restarts.get(name, 0)), **more})
    return rows, trouble


def _roles(slots: Mapping[str, Container], pair: Pair, entrance: Driver) -> dict[str, Any]:
    """What else the gateway does for the service, and how many connections a slot that it left still has."""
    release = {slot: c.release for slot, c in slots.items()}
    left = [c for slot, c in slots.items() if c.running and slot not in pair.slots]
    return {
        "backup": release.get(pair.backup, ""),
        "canary": release.get(pair.canary, ""),
        "share": pair.share,
        "preview": release.get(pair.preview, ""),
        "lingering": sum(connections(entrance, c) for c in left),
    }


def _row(container: Container | None, why: str) -> dict[str, Any]:
    if not container:
        empty = {"slot": "", "release": "", "tag": "", "digest": "", "ready": False, "port": 0}
        return {**empty, "why": why or "not deployed"}
    answer = probe.get(container.port, container.route.ready, 1.0)
    ready = container.running and answer.ok
    if not container.running:
        why = f"the container is not running (exit code {container.exit_code})"
    elif not ready:
        why = explain(container, answer)
    return {
        "slot": container.slot,
        "release": container.release,
        "tag": container.tag,
        "digest": container.digest,
        "ready": ready,
        "port": container.port,
        "why": why,
    }


def _memory() -> dict[str, Any]:
    info = memory_info()
    total, free = info.get("MemTotal", 0), info.get("MemAvailable", 0)
    overhead = sum(processes.memory_kb(pid) for pid in _our_processes())
    return {"total_mb": total >> 10, "used_mb": (total - free) >> 10, "overhead_mb": overhead >> 10}


def _our_processes() -> list[int]:
    found = []
    ours = (*_OURS, gateway.chosen().program, *runtime.chosen().programs)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            name = processes.title(int(folder.name)).replace("nginx:", "nginx")
            words = [word.rpartition("/")[2] for word in name.split()[:4]]
            if words and (
                words[0] in ours
                or (words[0].startswith("python") and any(word.startswith("du-node") for word in words))
            ):
                found.append(int(folder.name))
    return found


def _disk() -> dict[str, Any]:
    found = os.statvfs("/")
    usable = found.f_blocks - found.f_bfree + found.f_bavail
    used = 100 * (found.f_blocks - found.f_bfree) / usable if usable else 0.0
    return {"total_mb": found.f_blocks * found.f_frsize >> 20, "used_percent": round(used)}
