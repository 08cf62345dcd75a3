"""Releases and reports for tests, as the store and du-node have them."""

from __future__ import annotations

from typing import Any

from du_infra.health.state import NodeReport
from du_infra.release.options import way_of
from du_infra.release.state import Json, Rollout
from du_infra.spec import ServiceSpec

HELLO = ServiceSpec(image="registry.local:5000/hello", tag="v1", port=8080)
WAY = way_of(HELLO)


def record(release: str, name: str = "hello", **more: Any) -> Json:
    """A release's record; its tag is what stands before the hyphen."""
    known = {"name": name, "release": release, "tag": release.partition("-")[0], "digest": f"sha256:{release:0<64}"}
    settings = {"image": f"hello@sha256:{release:0<64}", "start_timeout": 60, "stop_grace": 10}
    return {**known, **settings, "way": WAY, **more}


def row(name: str, release: str, **more: Any) -> Json:
    """A service in a node's status."""
    return {"name": name, "release": release, "ready": bool(release), **more}


def report(node: str = "n1", *rows: Json, **more: Any) -> NodeReport:
    """What a node says of itself."""
    return NodeReport(node, f"address of {node}", services=rows, **more)


def rollout(state: str, release: str, previous: str, **more: Any) -> Rollout:
    """A row of history."""
    known = {"id": 1, "region": "home", "service": "hello", "kind": "start", "actor": "ann@desk", "options": WAY}
    return Rollout(**{**known, "started": 1.0, "state": state, "release": release, "previous": previous, **more})
