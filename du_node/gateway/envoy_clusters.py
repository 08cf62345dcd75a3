"""clusters.json, the slots as Envoy sees them. Pure text: nothing here touches a file or Envoy.

A cluster is named by all that it holds, so it is never changed, only added or taken away: a request that is under way
keeps its own. Its first slot gets the requests; the other one steps in for a request that the first does not take.
Where there are peers, they and the first slot take requests in turn, and step in for each other before the other slot.
Fields are from Envoy's own reference (config.cluster.v3, Envoy 1.40). Choices that matter for losing no request:

- no outlier detection among slots: one that refuses connections on loopback does so at once, so the way by it costs
  about a millisecond. A slot that was set aside for one failure would be missed while the other one dies. A peer that
  is off takes a second to find out, so it is set aside for two; when all are, all are asked;
- connections that lie idle are closed after 1 s, before any service would close them on a request that is on its way;
  busy ones get no new request after 2 s: a copy of a cluster that ends behind its slot's port stays at their other end;
- a peer closes each connection after its answer, so that no POST is sent on one that it is about to close. The kernel
  asks a silent peer for a sign of life, so that a request which a dead one was sent waits a few seconds for it;
- Envoy's own limits (1024 connections, 3 repeats at once) would refuse requests when a slot dies under load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from du_node import places
from du_node.table import Entry, Peer, Table, Upstream

Sides = tuple[Upstream, ...]
Json = dict[str, Any]
Cluster = Json

_TYPE = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MOST = 65536
_ALIVE = {"keepalive_time": 1, "keepalive_interval": 1, "keepalive_probes": 3}
_ASIDE = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 1,
    "interval": "0.5s",
    "base_ejection_time": "2s",
    "max_ejection_time": "2s",
    "max_ejection_percent": 100,
}
# What the service answers is no reason.
_NOT_FOR = tuple(
    f"enforcing_{what}"
    for what in ("consecutive_5xx", "consecutive_gateway_failure", "success_rate", "local_origin_success_rate")
)


def primary(item: Entry) -> Sides:
    """Where a service's requests go: the primary, then who steps in."""
    return _sides(item.primary, item.spare)


def canary(item: Entry) -> Sides:
    """Where the canary's share goes: the canary, then who steps in."""
    return _sides(item.canary, item.primary)


def preview(item: Entry) -> Sides:
    """Where requests to the preview port go."""
    return _sides(item.preview)


def name(service: str, sides: Sides, peers: tuple[Peer, ...] = ()) -> str:
    """The cluster of ``sides`` and ``peers``: another one for every other slot, port, release, order or address."""
    told = [*((side.slot, side.port, side.release) for side in sides), *((peer.address,) for peer in peers)]
    text = json.dumps(told, separators=(",", ":"))
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
        usual = [primary(item), *([canary(item)] if item.canary else [])]
        for sides in usual if item.peers else ():
            called = name(item.service, sides, item.peers)
            found[called] = _shared(called, sides, item.peers)
        for sides in filter(None, (*usual, preview(item))):
            found[name(item.service, sides)] = _cluster(name(item.service, sides), sides)
    return found


def _cluster(called: str, sides: Sides) -> Cluster:
    return _with(called, "2s", [[_slot(side)] for side in sides])


def _shared(called: str, sides: Sides, peers: tuple[Peer, ...]) -> Cluster:
    first, *spare = sides
    turns = [[_slot(first), *(_peer(peer) for peer in peers)], [_slot(side) for side in spare]]
    made = _with(called, "1s", turns)
    # As long as anybody of the first is there, nobody else is asked first.
    made["load_assignment"]["policy"] = {"overprovisioning_factor": 10000}
    return {
        **made,
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "upstream_connection_options": {"tcp_keepalive": _ALIVE},
        "outlier_detection": {**_ASIDE, **dict.fromkeys(_NOT_FOR, 0)},
    }


def _with(called: str, patience: str, turns: Sequence[Sequence[Json]]) -> Cluster:
    """``turns``: who gets requests, who gets those that the first do not take."""
    endpoints = [{"priority": place, "lb_endpoints": list(hosts)} for place, hosts in enumerate(turns) if hosts]
    return {
        "@type": _TYPE,
        "name": called,
        "type": "STATIC",
        "connect_timeout": patience,
        "load_assignment": {"cluster_name": called, "endpoints": endpoints},
        "circuit_breakers": {"thresholds": [_thresholds()]},
        "typed_extension_protocol_options": {_HTTP: _protocol()},
    }


def _slot(side: Upstream) -> Json:
    return {"endpoint": {"address": _address("127.0.0.1", side.port)}, "metadata": _told(side)}


def _peer(peer: Peer) -> Json:
    return {"endpoint": {"address": _address(peer.address, places.PEER_PORT)}}


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _told(side: Upstream) -> Json:
    """What the header X-Du-Release is made of."""
    return {"filter_metadata": {"du": {"release": side.release}}}


def _thresholds() -> dict[str, int]:
    return dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), _MOST)


def _protocol() -> Json:
    return {
        "@type": f"type.googleapis.com/{_HTTP}",
        "common_http_protocol_options": {"idle_timeout": "1s", "max_connection_duration": "2s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
