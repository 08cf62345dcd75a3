"""The parts of du.conf: maps for all services, what each service needs, and what a location does with a request."""

from __future__ import annotations

from du_node import places
from du_node.table import Entry, Table, Upstream

READYZ_SOCKET = "/run/du-node/readyz.sock"

PROXY = """\
    http2 on;
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
    sides = {side.port: side for e in table for side in e.upstreams}.values()
    releases = "".join(f'    "~127\\.0\\.0\\.1:{side.port}$" "{side.release}";\n' for side in sides)
    return (
        _CONNECTION
        + f'map $upstream_addr $du_release {{\n    default "";\n{releases}}}\n'
        + "".join(_without_blanks(name) for name in ("addr", "status", "header_time"))
        + (_VISITORS if any(e.sticky for e in table) else "")
    )


def service(item: Entry) -> str:
    """Groups of slots, how requests are split between them, and the line that each request leaves in the log.

    The line holds nothing that a client can choose, so that no text can pass for another field. The seconds are
    those until the answer began.
    """
    fields = "$du_addr $du_status $du_header_time $status"
    text = f"log_format du_{item.service} '$msec {item.service} {fields}';\n"
    text += _group(f"du_{item.service}", item.primary, item.canary or item.backup)
    if item.preview:
        text += "\n" + _group(f"du_{item.service}_preview", item.preview, None)
    if not item.canary:
        return text
    return f"{text}\n{_group(f'du_{item.service}_canary', item.canary, item.primary)}\n{_split(item, item.canary)}"


def target(item: Entry) -> str:
    """What a location does with a request for the service."""
    log = f"access_log {places.ACCESS_LOG} du_{item.service} buffer=16k flush=1s;"
    to = f"$du_to_{_word(item)}" if item.canary else f"du_{item.service}"
    return f"{_STICKY if item.sticky else ''}proxy_pass http://{to}; {log}"


def preview_target(item: Entry) -> str:
    """The same on the preview port: services without a preview are there as they are for everybody."""
    return f"proxy_pass http://du_{item.service}{'_preview' if item.preview else ''};"


def _group(name: str, first: Upstream, spare: Upstream | None) -> str:
    lines = [f"    server 127.0.0.1:{first.port} max_fails=1 fail_timeout=5s;"]
    if spare:
        lines.append(f"    server 127.0.0.1:{spare.port} backup;")
    lines.append("    keepalive 16;\n    keepalive_timeout 1s;\n    keepalive_requests 1000;")
    return f"upstream {name} {{\n" + "\n".join(lines) + "\n}"


def _split(item: Entry, canary: Upstream) -> str:
    """By the hash of a number. Shares are cut from its low end, so whoever is in 5 % is in 25 % too; the release is
    hashed as well, so that not the same visitors come first every time."""
    key = f"{canary.release} $du_visitor" if item.sticky else "$request_id"
    name = f"du_{item.service}"
    return f'split_clients "{key}" $du_to_{_word(item)} {{\n    {item.share}% {name}_canary;\n    * {name};\n}}'


def _word(item: Entry) -> str:
    """The service in the name of a variable, which cannot hold a hyphen; a service cannot hold an underscore."""
    return item.service.replace("-", "_")


def _without_blanks(name: str) -> str:
    """nginx divides what several slots said by a comma and a blank; the log's fields are divided by blanks."""
    return (
        f'map $upstream_{name} $du_{name} {{\n    default $upstream_{name};\n    "" -;\n'
        '    "~^([^ ,]+), ([^ ,]+)$" $1,$2;\n    "~^([^ ,]+), ([^ ,]+), ([^ ,]+)$" $1,$2,$3;\n}\n'
    )
