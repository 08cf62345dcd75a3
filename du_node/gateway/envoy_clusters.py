"""clusters.json, the slots as Envoy sees them. Pure text: nothing here touches a file or Envoy.

A cluster is named by all that it holds, so it is never changed, only added or taken away: a request that is under way
keeps its own. Its first slot gets the requests; the other one steps in for a request that the first does not take.
Fields are from Envoy's own reference (config.cluster.v3, Envoy 1.40). Choices that matter for losing no request:

- no outlier detection: a slot that refuses connections on loopback does so at once, so the way by it costs about a
  millisecond. A slot that was set aside for one failure would be missed while the other one dies;
- connections that lie idle are closed after 1 s, before any service would close them on a request that is on its way;
- Envoy's own limits (1024 connections, 3 repeats at once) would refuse requests when a slot dies under load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from du_node.table import Entry, Table, Upstream

Sides = tuple[Upstream, ...]
Cluster = dict[str, Any]

_TYPE = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MOST = 65536


def primary(item: Entry) -> Sides:
    """Where a service's requests go: the primary, then who steps in."""
    return _sides(item.primary, item.canary or item.backup)


def canary(item: Entry) -> Sides:
    """Where the canary's share goes: the canary, then who steps in."""
    return _sides(item.canary, item.primary)


def preview(item: Entry) -> Sides:
    """Where requests to the preview port go."""
    return _sides(item.preview)


def name(service: str, sides: Sides) -> str:
    """The cluster of ``sides``: another one for every other slot, port, release or order."""
    text = json.dumps([(side.slot, side.port, side.release) for side in sides], separators=(",", ":"))
    return f"{service}-{sides[0].slot}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def names(table: Table) -> frozenset[str]:
    """Every cluster that the routes of ``table`` name."""
    return frozenset(_wanted(table))


def render(table: Table, kept: Mapping[str, Cluster] = MappingProxyType({})) -> tuple[str, str]:
    """The text of clusters.json with the clusters of ``table`` and those that are ``kept``, and the version by which
    Envoy tells it apart (16 hex digits)."""
    found = {**kept, **_wanted(table)}
    resources = json.dumps([found[key] for key in sorted(found)], separators=(",", ":"))
    version = hashlib.sha256(resources.encode()).hexdigest()[:16]
    return f'{{"version_info":"{version}","resources":{resources}}}\n', version


def read(text: str) -> dict[str, Cluster]:
    """The clusters in the text of a clusters.json, by name; none when it is none of ours."""
    try:
        return {item["name"]: item for item in json.loads(text)["resources"]}
    except (ValueError, KeyError, TypeError):
        return {}


def _sides(*sides: Upstream | None) -> Sides:
    return tuple(filter(None, sides))


def _wanted(table: Table) -> dict[str, Cluster]:
    found: dict[str, Cluster] = {}
    for item in table:
        for sides in filter(None, (primary(item), canary(item) if item.canary else (), preview(item))):
            found[name(item.service, sides)] = _cluster(name(item.service, sides), sides)
    return found


def _cluster(called: str, sides: Sides) -> Cluster:
    endpoints = [
        {"priority": place, "lb_endpoints": [{"endpoint": {"address": _address(side)}, "metadata": _told(side)}]}
        for place, side in enumerate(sides)
    ]
    return {
        "@type": _TYPE,
        "name": called,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": called, "endpoints": endpoints},
        "circuit_breakers": {"thresholds": [_thresholds()]},
        "typed_extension_protocol_options": {_HTTP: _protocol()},
    }


def _address(side: Upstream) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": side.port}}


def _told(side: Upstream) -> dict[str, Any]:
    """What the header X-Du-Release is made of."""
    return {"filter_metadata": {"du": {"release": side.release}}}


def _thresholds() -> dict[str, int]:
    return dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), _MOST)


def _protocol() -> dict[str, Any]:
    return {
        "@type": f"type.googleapis.com/{_HTTP}",
        "common_http_protocol_options": {"idle_timeout": "1s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
