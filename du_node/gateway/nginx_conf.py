"""du.conf, nginx's side of the routing table. Pure text: nothing here touches a file or nginx.

Directives are from nginx's own documentation (ngx_http_core, _upstream, _proxy, _map, _split_clients, _log and _v2
modules). Four choices matter for losing no request:

- ``keepalive_min_timeout`` (nginx 1.27.4 and newer) keeps idle client connections of an old worker open long
  enough for a request that is already on its way.
- upstream keepalive is short (1 s), so that nginx never sends a POST into a connection that the service has
  just closed; nginx 1.29.7 and newer would otherwise choose by itself. ``keepalive_time`` ends busy ones too: a copy
  of a cluster that ends behind its slot's port stays at the other end of one that is never idle.
- ``proxy_next_upstream error timeout`` repeats a request only where nginx may: never a POST that was sent.
- a canary and the primary are two groups, each with the other slot as backup.
"""

from __future__ import annotations

import json

from du_node import places
from du_node.errors import NodeError
from du_node.gateway import nginx_parts as parts
from du_node.gateway import nginx_peers
from du_node.gateway.proof import PORT, PREVIEW_PORT, header
from du_node.table import Entry, Table, check, digest_of, from_json, to_json

_HEADER = "# du-node "
_HASH = "@HASH@"


def render(table: Table) -> tuple[str, str]:
    """The text of du.conf for ``table`` and its hash (16 hex digits), which the text itself answers with."""
    check(table)
    body = "\n".join([parts.maps(table), *map(parts.service, table), *_servers(table), _proof(table)])
    digest = digest_of(table)
    first = json.dumps({"hash": digest, "table": [to_json(item) for item in table]}, separators=(",", ":"))
    return f"{_HEADER}{first}\n{body.replace(_HASH, digest)}", digest


def read(text: str) -> tuple[Table, str]:
    """The table and hash that the text of a du.conf was made from; an empty table and "" when it is not one of ours.

    The hash is made anew from the table: a file that was changed by hand does not pass for the real one.
    """
    first = text.partition("\n")[0]
    try:
        if not first.startswith(_HEADER):
            return (), ""
        table = tuple(from_json(item) for item in json.loads(first[len(_HEADER) :])["table"])
        again, digest = render(table)
    except (ValueError, KeyError, TypeError, NodeError):
        return (), ""
    return table, digest if again == text else ""


def _servers(table: Table) -> list[str]:
    """The servers on port 80; where a service has a preview the same ones again on the preview port, and where there
    are other nodes on the peer port."""
    ports = [80, *([PREVIEW_PORT] if any(e.preview for e in table) else [])]
    ports += [places.PEER_PORT] if any(e.shared for e in table) else []
    hosts = ["", *sorted({e.route.host for e in table if e.route.host})]
    return [_server(host, table, port) for port in ports for host in hosts]


def _server(host: str, table: Table, port: int) -> str:
    items = [e for e in table if e.route.host == host and (e.shared or port != places.PEER_PORT)]
    inside = "".join(_location(e, port) for e in sorted(items, key=lambda e: (-len(e.route.path), e.route.path)))
    if not any(e.route.path == "/" for e in items):
        inside += parts.NOBODY
    proxy = nginx_peers.PROXY if port == places.PEER_PORT else parts.proxy(table)
    return (
        f"server {{\n    listen {port}{'' if host else ' default_server'};\n    server_name {host or '_'};\n"
        f"{proxy}{'' if host or port == PREVIEW_PORT else parts.READYZ}{inside}}}"
    )


def _location(item: Entry, port: int) -> str:
    """Whole segments only: /api takes /api and /api/x, never /apix."""
    path = item.route.path
    paths = ["/"] if path == "/" else [f"= {path}", f"^~ {path}/"]
    targets = {80: parts.target, PREVIEW_PORT: parts.preview_target, places.PEER_PORT: parts.peer_target}
    inside, more = targets[port](item)
    return "".join(f"    location {path} {{ {inside} }}\n" for path in paths) + more


def _proof(table: Table) -> str:
    """What the live gateway says of itself, on loopback only: its hash, and a header for each service."""
    told = "".join(f'        add_header {name} "{value}" always;\n' for name, value in map(header, table))
    return (
        f"server {{\n    listen 127.0.0.1:{PORT};\n    server_name _;\n    access_log off;\n"
        f"    location = /du {{\n        default_type text/plain;\n{told}        return 200 {_HASH};\n    }}\n}}\n"
    )
