"""routes.json, Envoy's side of the routing table. Pure text: nothing here touches a file or Envoy.

It is one route configuration for all of Envoy's listeners, so that Envoy takes it over in one step, the proof included:
what the proof says holds for every request that comes later. Each listener leaves its name ("web", "preview", "peer",
"proof") on the connection, and each route is for one of them: what comes from a peer goes to this node's slots alone.
Fields are from Envoy's own reference (config.route.v3, Envoy 1.40). A request is repeated only where nginx would repeat
it: once, or twice where there are peers, and one of ``_ONCE`` only if no slot was sent it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from du_node import places
from du_node.errors import NodeError
from du_node.gateway import envoy_clusters as clusters
from du_node.gateway.proof import PATH, header
from du_node.table import Entry, Peer, Table, check, digest_of, from_json, to_json

# The first line is the table between these two; the lines after it are made from it.
_, HEAD, TAIL = places.STORED_TABLE["envoy"]

READYZ = "du.readyz"
_COOKIE = "du_visitor"
# Envoy gives every request a number in this header; the role's bootstrap says so.
_NUMBER = "x-du-visitor"
_IN_COOKIE = f"(?:.*; ?)?{_COOKIE}=([0-9a-f-]+)(?:;.*)?"
_TYPE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_BODY_LIMIT = 100 << 20
# Of a request's body, kept until the service answers, for the case that it must be sent to the other slot. More than
# what Envoy reads at once (64 KiB): a slot that refuses connections is noticed only after that.
_KEPT = 512 << 10
_ONCE = "POST|LOCK|PATCH"
_UNSENT = "connect-failure,refused-stream,reset-before-request"
_ANY = f"{_UNSENT},reset"
# The header by which a peer says that it could not give the request to its slot.
_NOT_SENT = "x-du-not-sent"
_RELEASE = "x-du-release"
_PROOF_HOST = "localhost"

Json = dict[str, Any]
Peers = tuple[Peer, ...]


def render(table: Table) -> tuple[str, str]:
    """The text of routes.json for ``table`` and its hash (16 hex digits), which the routes themselves answer with."""
    check(table)
    digest = digest_of(table)
    stored = _json({"hash": digest, "table": [to_json(item) for item in table]})
    rest = {
        "@type": _TYPE,
        "name": "du",
        "ignore_port_in_host_matching": True,
        "request_headers_to_remove": ["x-envoy-external-address", _NOT_SENT, _RELEASE],
        "response_headers_to_add": [_header("X-Du-Release", "%UPSTREAM_METADATA(du:release)%")],
        "virtual_hosts": [_virtual_host(host, table, digest) for host in _hosts(table)],
    }
    return f'{HEAD}{stored}{TAIL}\n{_json(rest)[1:]}],\n"version_info":"{digest}"}}\n', digest


def read(text: str) -> tuple[Table, str]:
    """The table and hash that the text of a routes.json was made from; an empty table and "" when it is none of ours.

    The hash is made anew from the table: a file that was changed by hand does not pass for the real one.
    """
    first = text.partition("\n")[0]
    try:
        if not first.startswith(HEAD) or not first.endswith(TAIL):
            return (), ""
        table = tuple(from_json(item) for item in json.loads(first[len(HEAD) : -len(TAIL)])["table"])
        again, digest = render(table)
    except (ValueError, KeyError, TypeError, NodeError):
        return (), ""
    return table, digest if again == text else ""


def _hosts(table: Table) -> list[str]:
    return ["", *sorted({item.route.host for item in table if item.route.host})]


def _virtual_host(host: str, table: Table, digest: str) -> Json:
    items = sorted((e for e in table if e.route.host == host), key=lambda e: (-len(e.route.path), e.route.path))
    routes = [_proof(table, digest)] if host in ("", _PROOF_HOST) else []
    routes += [_too_large(), *([] if host else [_readyz()])]
    routes += [route for item in items for route in _routes(item)]
    if any(e.preview for e in table):
        routes += [route for item in items for route in _previews(item)]
    if any(e.shared for e in table):
        routes += [] if host else [_readyz("peer")]
        routes += [route for item in items if item.shared for route in _behind(item)]
    return {
        "name": host or "*",
        "domains": [host or "*"],
        "retry_policy": _retry(_ANY),
        "request_body_buffer_limit": str(_KEPT),
        "routes": [*routes, _nobody()],
    }


def _routes(item: Entry) -> list[Json]:
    match = {**_place(item), **_on("web")}
    if not item.canary or not item.sticky:
        return _both(item, match, _share(item, item.peers), item.peers)
    given = _header("Set-Cookie", f"{_COOKIE}=%REQ({_NUMBER})%; Path=/; HttpOnly; SameSite=Lax", add=True)
    return _sticky(item, match, item.peers, [given])


def _behind(item: Entry) -> list[Json]:
    """What peers ask for, in whose part of the region the visitors get their cookies."""
    match = {**_place(item), **_on("peer")}
    return _sticky(item, match) if item.canary and item.sticky else _both(item, match, _share(item))


def _previews(item: Entry) -> list[Json]:
    """Services without a preview are there as this node has them."""
    sides = clusters.preview(item) or clusters.primary(item)
    return _both(item, {**_place(item), **_on("preview")}, {"cluster": clusters.name(item.service, sides)})


def _place(item: Entry) -> Json:
    """Whole segments only: /api takes /api and /api/x, never /apix."""
    return {"prefix": "/"} if item.route.path == "/" else {"path_separated_prefix": item.route.path}


def _both(item: Entry, match: Json, to: Json, peers: Peers = (), headers: Sequence[Json] = ()) -> list[Json]:
    """One route for requests that may do harm when they come twice, one for all others."""
    once = {"name": ":method", "string_match": {"safe_regex": {"regex": _ONCE}}}
    common: Json = {"name": item.service}
    common |= {"response_headers_to_add": list(headers)} if headers else {"request_headers_to_remove": [_NUMBER]}
    # The client is not told; and on the way to a peer only Envoy's own word is left, which it adds after this.
    common |= {"response_headers_to_remove": [_NOT_SENT]} if item.shared else {}
    whole = {**to, "timeout": "0s"}
    guarded = {**match, "headers": [*match.get("headers", ()), once]}
    retry = _retry_elsewhere if peers else _retry
    usual = {**whole, "retry_policy": retry(_ANY)} if peers else whole
    return [
        {**common, "match": guarded, "route": {**whole, "retry_policy": retry(_UNSENT)}},
        {**common, "match": match, "route": usual},
    ]


def _share(item: Entry, peers: Peers = ()) -> Json:
    usual = clusters.name(item.service, clusters.primary(item), peers)
    if not item.canary:
        return {"cluster": usual}
    canary = clusters.name(item.service, clusters.canary(item), peers)
    weights = [{"name": canary, "weight": item.share}, {"name": usual, "weight": 100 - item.share}]
    return {"weighted_clusters": {"clusters": weights}}


def _sticky(item: Entry, match: Json, peers: Peers = (), given: Sequence[Json] = ()) -> list[Json]:
    """A visitor's side is the hash of his number: the one in his cookie, or else the one that Envoy gave the request,
    which becomes his cookie (``given``). The canary has the lowest hashes, so a growing share takes nobody back; the
    release is hashed as well, so that not the same visitors come first every time.
    """
    to = _share(item, peers)
    to["weighted_clusters"]["use_hash_policy"] = True
    known = {"name": "cookie", "string_match": {"safe_regex": {"regex": _IN_COOKIE}}}
    release = item.canary.release if item.canary else ""
    by_cookie, by_number = ({**to, **_hash(*how, release)} for how in (("cookie", _IN_COOKIE), (_NUMBER, "(.*)")))
    return [
        *_both(item, {**match, "headers": [known]}, by_cookie, peers),
        *_both(item, match, by_number, peers, given),
    ]


def _hash(header_name: str, pattern: str, release: str) -> Json:
    rewrite = {"pattern": {"regex": pattern}, "substitution": f"{release} \\1"}
    return {"hash_policy": [{"header": {"header_name": header_name, "regex_rewrite": rewrite}}]}


def _proof(table: Table, digest: str) -> Json:
    """What the live gateway says of itself, on loopback only: its hash, and a header for each service."""
    told = [_header(*header(item)) for item in table]
    return {"match": {"path": PATH, **_on("proof")}, **_answer(200, digest, "text/plain", told)}


def _too_large() -> Json:
    beyond = {"range_match": {"start": str(_BODY_LIMIT + 1), "end": str(2**63 - 1)}}
    limited: Json = {"name": "content-length", **beyond}
    return {"match": {"prefix": "/", "headers": [limited]}, **_error(413, "more than 100 MiB")}


def _readyz(entrance: str = "web") -> Json:
    return {
        "name": READYZ,
        "match": {"path": "/readyz", **_on(entrance)},
        "route": {"cluster": "readyz", "timeout": "10s"},
    }


def _nobody() -> Json:
    return {"match": {"prefix": "/"}, **_error(404, "no service at this host and path")}


def _error(status: int, text: str) -> Json:
    return _answer(status, _json({"error": text}) + "\n", "application/json", [])


def _answer(status: int, body: str, kind: str, headers: list[Json]) -> Json:
    return {
        "direct_response": {"status": status, "body": {"inline_string": body}},
        "response_headers_to_add": [_header("Content-Type", kind), *headers],
    }


def _on(entrance: str) -> Json:
    """Only connections that came in by this listener."""
    return {"filter_state": [{"key": "du.entrance", "string_match": {"exact": entrance}}]}


def _header(name: str, value: str, *, add: bool = False) -> Json:
    action = "APPEND_IF_EXISTS_OR_ADD" if add else "OVERWRITE_IF_EXISTS_OR_ADD"
    return {"header": {"key": name, "value": value}, "append_action": action}


def _retry(reasons: str) -> Json:
    """At most one more attempt, at the slot that steps in."""
    extension = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
    return {
        "retry_on": reasons,
        "num_retries": 1,
        "per_try_idle_timeout": "60s",
        "retry_back_off": {"base_interval": "0.001s"},
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {"@type": f"type.googleapis.com/{extension}", "update_frequency": 1},
        },
    }


def _retry_elsewhere(reasons: str) -> Json:
    """At most two more attempts, at slots and nodes that were not asked yet; the slot that steps in comes last."""
    policy = _retry(f"{reasons},retriable-headers")
    policy["retry_priority"]["typed_config"]["update_frequency"] = 2
    extension = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    asked = {"name": "envoy.retry_host_predicates.previous_hosts"}
    return {
        **policy,
        "num_retries": 2,
        "retriable_headers": [{"name": _NOT_SENT, "present_match": True}],
        "retry_host_predicate": [{**asked, "typed_config": {"@type": f"type.googleapis.com/{extension}"}}],
        "host_selection_retry_max_attempts": "5",
    }


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
