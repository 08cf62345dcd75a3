"""How a release goes live: the settings of fleet.yaml's ``release:`` as plain data. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from du_infra.release.state import Json
from du_infra.spec import ServiceSpec

_ALL = 100


def way_of(service: ServiceSpec) -> Json:
    """The settings by which a service's releases go live; no part of what a release is.

    ``rollout`` is what du-node reads, ``batch`` and ``max_unavailable`` count nodes, ``before`` is a command
    that runs once, for at most ``before_timeout`` seconds, ``replicas`` how many copies a cluster runs, where that may
    be more than one.
    """
    release, copies = service.release, service.replicas
    several = {"replicas": {"min": copies.min, "max": copies.most}} if copies.most > 1 else {}
    return {
        **several,
        "rollout": {
            "hold": False,
            "canary": _shares(release.canary),
            "sticky": release.sticky,
            "observe": release.observe.seconds,
            "passes": release.passes,
            "warm_up": release.warm_up or "",
            "max_errors": release.max_errors.points,
            "max_latency": release.max_latency,
            "min_requests": release.min_requests,
            "max_restarts": release.max_restarts,
            "cut_after": release.cut_after.seconds,
        },
        "batch": release.batch,
        "max_unavailable": release.max_unavailable,
        "before": list(service.before),
        "before_timeout": ceil(service.before_timeout.seconds),
    }


def way_in(record: Mapping[str, Any]) -> Json:
    """The way a kept release went live; fleet.yaml's defaults for one that was kept before there were any."""
    known: Json | None = record.get("way")
    return known or way_of(ServiceSpec(image="any", port=1))


def overridden(
    way: Mapping[str, Any],
    *,
    observe: float | None = None,
    canary: Sequence[int] | None = None,
    batch: int | None = None,
    hold: bool = False,
) -> Json:
    """``way`` for one release that goes another: ``observe`` in seconds, ``canary`` in percent."""
    rollout = {**way["rollout"], "hold": hold}
    rollout |= {} if observe is None else {"observe": observe}
    rollout |= {} if canary is None else {"canary": _shares(canary)}
    return {**way, "rollout": rollout, "batch": way["batch"] if batch is None else batch}


def fast(way: Mapping[str, Any]) -> Json:
    """The way back: no canary, nothing observed, no ``before``; the new copy must still be ready."""
    rollout = {**way["rollout"], "hold": False, "canary": [], "sticky": False, "observe": 0.0}
    return {**way, "rollout": rollout, "before": []}


def let_go(way: Mapping[str, Any]) -> Json:
    """``way`` without a stop at the preview."""
    return {**way, "rollout": {**way["rollout"], "hold": False}}


def patience(record: Mapping[str, Any], rollout: Mapping[str, Any]) -> float:
    """Seconds that a node may need for this release, pulling and draining aside."""
    watched = rollout["observe"] * (len(rollout["canary"]) + 1)
    return float(record["start_timeout"] + record["stop_grace"] + watched + (rollout["cut_after"] or 0.0))


def _shares(canary: Sequence[int]) -> list[int]:
    """The shares below all of the requests: 100 is no canary any more."""
    return [share for share in canary if share < _ALL]
