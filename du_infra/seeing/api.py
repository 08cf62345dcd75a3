"""The snapshot as JSON: the stable form of ``/api/status`` (docs/seeing.md). Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TypeAlias

from du_infra._version import __version__
from du_infra.release.state import moment
from du_infra.seeing.board import Snapshot
from du_infra.seeing.life import Life
from du_infra.seeing.state import RegionSeen, ReleaseSeen, Told
from du_infra.seeing.traffic import TrafficSeen

Json: TypeAlias = dict[str, Any]


def status_json(seen: Snapshot) -> Json:
    """Everything that the page shows, and more."""
    return {
        "version": __version__,
        "fleet": seen.fleet,
        "time": moment(seen.time),
        "read_only": True,
        "loop": {
            "healthy": not seen.stale,
            "why": seen.stale,
            "mistake": seen.mistake,
            "dry_run": seen.dry_run,
            "interval_seconds": seen.interval,
        },
        "regions": [_region(seen, name) for name in sorted(seen.lives)],
        "traffic": _traffic(seen.traffic, seen.now) if seen.traffic else None,
        "decisions": [decision_json(one) for one in seen.decisions],
        "notifications": {name: asdict(hook) for name, hook in seen.hooks.items()},
    }


def decision_json(told: Told) -> Json:
    """As ``control run --output json`` has it."""
    return {**asdict(told), "time": moment(told.time)}


def _region(seen: Snapshot, name: str) -> Json:
    found = seen.regions.get(name)
    return {
        "name": name,
        "ready": seen.ready(name),
        "seen_seconds_ago": _ago(seen.now, found.at if found else None),
        "pass": _pass(seen.lives[name], seen.now),
        **(_seen(found) if found else {}),
        "autoscale": _autoscale(seen, name),
    }


def _seen(found: RegionSeen) -> Json:
    status = {key: value for key, value in found.status.to_json().items() if key not in ("name", "ready", "nodes")}
    return {
        **status,
        "nodes_wanted": found.wanted,
        "nodes": [asdict(node) for node in found.nodes],
        "healing": {**asdict(found.healing), "left": found.healing.left},
        "releases": [_release(one) for one in found.releases],
        "leases": [{**asdict(one), "since": moment(one.since)} for one in found.leases],
        "events": [{**asdict(one), "time": moment(one.time)} for one in found.events],
    }


def _pass(life: Life, now: float) -> Json:
    return {
        "healthy": not life.stale(now),
        "running_seconds": None if life.running is None else round(now - life.running, 1),
        "doing": life.doing,
        "last_seconds": None if life.ended_at is None else round(life.last, 3),
        "ended_seconds_ago": _ago(now, life.ended_at),
        "error": life.error,
        "done": life.done,
        "busy": life.busy,
        "failed": life.failed,
    }


def _release(one: ReleaseSeen) -> Json:
    return {
        **asdict(one),
        "started": moment(one.started),
        "ended": None if one.ended is None else moment(one.ended),
    }


def _autoscale(seen: Snapshot, name: str) -> Json | None:
    one = seen.autoscale.get(name)
    if one is None:
        return None
    said = {key: value for key, value in asdict(one).items() if key != "at"}
    return {**said, "seconds_ago": _ago(seen.now, one.at)}


def _traffic(one: TrafficSeen, now: float) -> Json:
    said = {key: value for key, value in asdict(one).items() if key != "at"}
    return {**said, "seconds_ago": _ago(now, one.at)}


def _ago(now: float, at: float | None) -> float | None:
    return None if at is None else round(max(0.0, now - at), 1)
