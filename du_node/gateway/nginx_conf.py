"""du.conf, nginx's side of the routing table. Pure text: nothing here touches a file or nginx.

Directives are from nginx's own documentation (ngx_http_core, _upstream, _proxy and _map modules). Three choices
matter for losing no request:

- ``keepalive_min_timeout`` (nginx 1.27.4 and newer) keeps idle client connections of an old worker open long
  enough for a request that is already on its way.
- upstream keepalive is short (1 s), so that nginx never sends a POST into a connection that the service has
  just closed; nginx 1.29.7 and newer would otherwise choose by itself.
- ``proxy_next_upstream error timeout`` repeats a request only where nginx may: never a POST that was sent.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from du_node.errors import NodeError
from du_node.gateway.proof import PORT, header
from du_node.table import Entry, Table, check, digest_of, from_json

READYZ_SOCKET = "/run/du-node/readyz.sock"
_HEADER = "# du-node "
_HASH = "@HASH@"

_PROXY = """\
    keepalive_min_timeout 1s;
    client_max_body_size 100m;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $du_connection;
    proxy_connect_timeout 2s;
    proxy_read_timeout 60s;
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries 2;
    add_header X-Du-Release $du_release always;
"""

_READYZ = f"""\
    location = /readyz {{
        proxy_pass http://unix:{READYZ_SOCKET}:/readyz;
        error_page 502 504 = @du_unknown;
    }}
    location @du_unknown {{
        default_type application/json;
        return 503 '{{"ready":false,"why":"du-node does not answer on this node"}}\\n';
    }}
"""

_NOBODY = """\
    location {place} {{
        default_type application/json;
        return 404 '{{"error":"no service at this host and path"}}\\n';
    }}
"""


def render(table: Table) -> tuple[str, str]:
    """The text of du.conf for ``table`` and its hash (16 hex digits), which the text itself answers with."""
    check(table)
    body = "\n".join([_maps(table), *map(_upstream, table), *_servers(table), _proof(table)])
    digest = digest_of(table)
    first = json.dumps({"hash": digest, "table": [asdict(item) for item in table]}, separators=(",", ":"))
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


def _maps(table: Table) -> str:
    """The connection header for plain requests and websockets; the release by the slot that really answered."""
    sides = [side for e in table for side in (e.primary, e.backup) if side]
    lines = [f'    "~127\\.0\\.0\\.1:{side.port}$" "{side.release}";' for side in sides]
    return (
        'map $http_upgrade $du_connection {\n    default upgrade;\n    "" "";\n}\n'
        'map $upstream_addr $du_release {\n    default "";\n' + "".join(f"{line}\n" for line in lines) + "}"
    )


def _upstream(item: Entry) -> str:
    lines = [f"    server 127.0.0.1:{item.primary.port} max_fails=1 fail_timeout=5s;"]
    if item.backup:
        lines.append(f"    server 127.0.0.1:{item.backup.port} backup;")
    lines.append("    keepalive 16;\n    keepalive_timeout 1s;\n    keepalive_requests 1000;")
    return f"upstream du_{item.service} {{\n" + "\n".join(lines) + "\n}"


def _servers(table: Table) -> list[str]:
    hosts = sorted({e.route.host for e in table if e.route.host})
    return [_server(host, [e for e in table if e.route.host == host]) for host in ["", *hosts]]


def _server(host: str, items: list[Entry]) -> str:
    listen = "listen 80;" if host else "listen 80 default_server;"
    places = "".join(_location(e) for e in sorted(items, key=lambda e: (-len(e.route.path), e.route.path)))
    if not any(e.route.path == "/" for e in items):
        places += _NOBODY.format(place="/")
    return f"server {{\n    {listen}\n    server_name {host or '_'};\n{_PROXY}{'' if host else _READYZ}{places}}}"


def _location(item: Entry) -> str:
    """Whole segments only: /api takes /api and /api/x, never /apix."""
    path = item.route.path
    places = ["/"] if path == "/" else [f"= {path}", f"^~ {path}/"]
    return "".join(f"    location {place} {{ proxy_pass http://du_{item.service}; }}\n" for place in places)


def _proof(table: Table) -> str:
    """What the live gateway says of itself, on loopback only: its hash, and a header for each service."""
    told = "".join(f'        add_header {name} "{value}" always;\n' for name, value in map(header, table))
    return (
        f"server {{\n    listen 127.0.0.1:{PORT};\n    server_name _;\n    access_log off;\n"
        f"    location = /du {{\n        default_type text/plain;\n{told}        return 200 {_HASH};\n    }}\n}}\n"
    )
