"""The parts of du.conf: maps for all services, what each service needs, and what a location does with a request.

What a region of several nodes needs besides is in nginx_peers.
"""

from __future__ import annotations

from du_node import places
from du_node.gateway import nginx_peers as peers
from du_node.table import Entry, Table, Upstream

READYZ_SOCKET = "/run/du-node/readyz.sock"

_PROXY = """\
    http2 on;
    keepalive_min_timeout 1s;
    client_max_body_size 100m;
    proxy_http_version 1.1;
    proxy_set_header Host $@host@;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $du_connection;
    proxy_set_header X-Du-Visitor @visitor@;
    proxy_set_header X-Du-Release "";
    proxy_set_header X-Du-Not-Sent "";
    proxy_hide_header X-Du-Not-Sent;
    proxy_connect_timeout @connect@;
    proxy_read_timeout 60s;
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries @tries@;
    add_header X-Du-Release $du_release always;
"""

READYZ = f"""\
    location = /readyz {{
        proxy_pass http://unix:{READYZ_SOCKET}:/readyz;
        error_page 502 504 = @du_unknown;
    }}
    location @du_unknown {{
        default_type application/json;
        return 503 '{{"ready":false,"why":"du-node does not answer on this node"}}\\n';
    }}
"""

NOBODY = """\
    location / {
        default_type application/json;
        return 404 '{"error":"no service at this host and path"}\\n';
    }
"""

_CONNECTION = """\
map $http_upgrade $du_connection {
    default upgrade;
    "" "";
}
"""

# A visitor keeps the number that the first answer gave. What is no number of ours is no number at all, so that
# nobody chooses a side by the cookie's text.
_VISITORS = """\
map $cookie_du_visitor $du_visitor {
    default $request_id;
    "~^[0-9a-f]{32}$" $cookie_du_visitor;
}
map $cookie_du_visitor $du_visitor_cookie {
    default "du_visitor=$request_id; Path=/; HttpOnly; SameSite=Lax";
    "~^[0-9a-f]{32}$" "";
}
"""
# A location with an add_header of its own inherits none.
_STICKY = "add_header X-Du-Release $du_release always; add_header Set-Cookie $du_visitor_cookie always; "


def maps(table: Table) -> str:
    """The connection header for plain requests and websockets; the release by the slot that really answered; the
    lists of the access log without blanks; the number of a visitor."""
    sides = {side.port: side for e in table for side in (*e.upstreams, e.spare) if side}.values()
    releases = "".join(f'    "~127\\.0\\.0\\.1:{side.port}$" "{side.release}";\n' for side in sides)
    return (
        _CONNECTION
        + f'map $upstream_addr $du_release {{\n    default "";\n{releases}}}\n'
        + "".join(_without_blanks(name) for name in ("addr", "status", "header_time"))
        + (_VISITORS if any(e.sticky for e in table) else "")
        + peers.maps(table)
    )


def proxy(table: Table) -> str:
    """How requests are passed on: to peers with less patience and more tries.

    What nodes tell one another by headers of ours no client tells them: a peer may be in the middle of a sticky canary
    of which this node does not know yet.
    """
    shared = any(e.peers for e in table)
    visitor = "$du_visitor_new" if any(e.peers and e.sticky for e in table) else '""'
    host, connect, tries = ("du_host", "1s", "3") if shared else ("http_host", "2s", "2")
    text = _PROXY.replace("@host@", host).replace("@visitor@", visitor)
    return text.replace("@connect@", connect).replace("@tries@", tries)


def service(item: Entry) -> str:
    """Groups of slots, how requests are split between them, and the line that each request leaves in the log.

    The line holds nothing that a client can choose, so that no text can pass for another field. The seconds are
    those until the answer began.
    """
    fields = "$du_addr $du_status $du_header_time $status"
    groups = [f"log_format du_{item.service} '$msec {item.service} {fields}';"]
    if item.peers:
        groups += [peers.group(f"du_{item.service}", item.primary, item.spare, item.peers), peers.again(item)]
    groups.append(_group(own(item), item.primary, item.spare))
    if item.preview:
        groups.append(_group(f"du_{item.service}_preview", item.preview, None))
    if item.canary:
        if item.peers:
            groups += [peers.group(f"du_{item.service}_canary", item.canary, item.primary, item.peers)]
        groups += [_group(f"{own(item)}_canary", item.canary, item.primary), *_splits(item, item.canary)]
    return "\n".join(groups)


def own(item: Entry) -> str:
    """The group of a service's slots on this node."""
    return f"du_{item.service}{'_own' if item.peers else ''}"


def target(item: Entry) -> tuple[str, str]:
    """What a location does with a request for the service, and the locations that it leads to."""
    to = f"$du_to_{_word(item)}" if item.canary else f"du_{item.service}"
    headers, log = _STICKY if item.sticky else "", _log(item)
    inside, more = peers.front(item, log, headers) if item.peers else ("", "")
    return f"{headers}proxy_pass http://{to}; {log}{inside}", more


def preview_target(item: Entry) -> tuple[str, str]:
    """The same on the preview port: services without a preview are there as this node has them."""
    return f"proxy_pass http://{f'du_{item.service}_preview' if item.preview else own(item)};", ""


def peer_target(item: Entry) -> tuple[str, str]:
    """The same on the peer port: this node's own slots and nobody else, so that no request goes round in circles."""
    return peers.behind(item, f"$du_own_{_word(item)}" if item.canary else own(item), _log(item))


def _log(item: Entry) -> str:
    return f"access_log {places.ACCESS_LOG} du_{item.service} buffer=16k flush=1s;"


def _group(name: str, first: Upstream, spare: Upstream | None) -> str:
    lines = [f"    server 127.0.0.1:{first.port} max_fails=1 fail_timeout=5s;"]
    if spare:
        lines.append(f"    server 127.0.0.1:{spare.port} backup;")
    return f"upstream {name} {{\n" + "\n".join([*lines, peers.KEPT]) + "\n}"


def _splits(item: Entry, canary: Upstream) -> list[str]:
    """By the hash of a number. Shares are cut from its low end, so whoever is in 5 % is in 25 % too; the release is
    hashed as well, so that not the same visitors come first every time. What comes to the peer port has been shared
    out between the nodes already."""
    key = f"{canary.release} $du_visitor" if item.sticky else "$request_id"
    splits = [_split(key, f"to_{_word(item)}", item.share, f"du_{item.service}")]
    if item.shared:
        key = f"{canary.release} $du_visitor_own" if item.sticky else "$request_id"
        splits.append(_split(key, f"own_{_word(item)}", item.share, own(item)))
    return splits


def _split(key: str, variable: str, share: int, name: str) -> str:
    return f'split_clients "{key}" $du_{variable} {{\n    {share}% {name}_canary;\n    * {name};\n}}'


def _word(item: Entry) -> str:
    """The service in the name of a variable, which cannot hold a hyphen; a service cannot hold an underscore."""
    return item.service.replace("-", "_")


def _without_blanks(name: str) -> str:
    """nginx divides what several slots said by a comma and a blank; the log's fields are divided by blanks."""
    return (
        f'map $upstream_{name} $du_{name} {{\n    default $upstream_{name};\n    "" -;\n'
        '    "~^([^ ,]+), ([^ ,]+)$" $1,$2;\n    "~^([^ ,]+), ([^ ,]+), ([^ ,]+)$" $1,$2,$3;\n}\n'
    )
