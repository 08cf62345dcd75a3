"""The parts of du.conf that let nodes share their requests: groups with peers in them, and what peers ask for.

- A request is tried elsewhere, a POST too, as long as nobody was sent it: a node that is off costs a second, once
  in two seconds. A peer that could not reach its own slot says so by a status of its own, which no client sees, and a
  header that no service can say it by: each gateway takes that from what its own slots answer.
- Peers stand in each group twice: passed over after a failure, and as the last resort in spite of it, so that nginx
  never finds that it has nobody left to ask.
- Connections to peers are not kept: a peer may close one at the moment in which a POST is sent on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from du_node import places
from du_node.gateway.proof import NOT_SENT
from du_node.table import Entry, Peer, Table, Upstream

KEPT = "    keepalive 16;\n    keepalive_timeout 1s;\n    keepalive_time 2s;\n    keepalive_requests 1000;"

PROXY = """\
    keepalive_timeout 0;
    client_max_body_size 100m;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $du_connection;
    proxy_set_header X-Du-Visitor "";
    proxy_hide_header X-Du-Not-Sent;
    proxy_connect_timeout 2s;
    proxy_read_timeout 60s;
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries 2;
    add_header X-Du-Release $du_release always;
"""

# HTTP/1.0 may do without a host, a peer may not.
_HOST = """\
map $http_host $du_host {
    default $http_host;
    "" localhost;
}
"""

_NOT_SENT = """\
map $upstream_bytes_sent $du_not_sent {
    default "";
    "~^0([ ,:]+0)*$" 1;
}
"""

# Whether a peer said that it could not give the request to its slot. A service may say what it likes.
_SENT_BACK = """\
map "$upstream_addr $upstream_http_x_du_not_sent" $du_sent_back {
    default "";
    "~:@port@ 1$" 1;
}
"""

# The front gives a visitor his number and his cookie; a peer goes by the number that it is told.
_VISITORS = """\
map $cookie_du_visitor $du_visitor_new {
    default $request_id;
    "~^[0-9a-f]{32}$" "";
}
map $http_x_du_visitor $du_visitor_told {
    default $request_id;
    "~^[0-9a-f-]{32,36}$" $http_x_du_visitor;
}
map $cookie_du_visitor $du_visitor_own {
    default $du_visitor_told;
    "~^[0-9a-f]{32}$" $cookie_du_visitor;
}
"""


def maps(table: Table) -> str:
    """The host for peers; whether one sent a request back; whether a slot was sent anything; a visitor's number as the
    front and a peer know it."""
    return (
        (_HOST + _SENT_BACK.replace("@port@", str(places.PEER_PORT)) if any(e.peers for e in table) else "")
        + (_NOT_SENT if any(e.shared for e in table) else "")
        + (_VISITORS if any(e.shared and e.sticky for e in table) else "")
    )


def group(name: str, first: Upstream, spare: Upstream | None, peers: Sequence[Peer]) -> str:
    """Slots and peers in turn; a slot that refuses connections does so at once, and need not be passed over."""
    lines = [f"    server 127.0.0.1:{first.port} max_fails=0;"]
    lines += [f"    server {_at(peer)} max_fails=1 fail_timeout=2s;" for peer in peers]
    return _upstream(name, [*lines, *_last(spare, peers)])


def again(item: Entry) -> str:
    """Whom a request goes to that a peer could not give to its slot: first to the slot here."""
    first = f"    server 127.0.0.1:{item.primary.port} max_fails=0;"
    return _upstream(f"du_{item.service}_again", [first, *_last(item.spare, item.peers)])


def front(item: Entry, log: str, headers: str) -> tuple[str, str]:
    """What a front's location needs besides, and the locations that it leads to."""
    name = f"@du_{item.service}"
    caught = f"proxy_intercept_errors on; recursive_error_pages on; error_page {NOT_SENT} ="
    theirs = 'if ($du_sent_back = "") { return 502; }'
    once_more = f"{headers}{theirs} proxy_pass http://du_{item.service}_again; {log} {caught} {name}_dead;"
    return f" {caught} {name}_again;", (
        f"    location {name}_again {{ {once_more} }}\n    location {name}_dead {{ {log} return 502; }}\n"
    )


def behind(item: Entry, to: str, log: str) -> tuple[str, str]:
    """What a location on the peer port does, and the one that it leads to when the slot does not answer."""
    name = f"@du_{item.service}_dead"
    inside = f"proxy_pass http://{to}; {log} error_page 502 = {name};"
    told = "add_header X-Du-Not-Sent $du_not_sent always;"  # for a peer with Envoy
    return inside, f"    location {name} {{ {log} {told} if ($du_not_sent) {{ return {NOT_SENT}; }} return 502; }}\n"


def _last(spare: Upstream | None, peers: Sequence[Peer]) -> list[str]:
    lines = [f"    server 127.0.0.1:{spare.port} backup max_fails=0;"] if spare else []
    return lines + [f"    server {_at(peer)} backup max_fails=0;" for peer in peers]


def _upstream(name: str, lines: Sequence[str]) -> str:
    return f"upstream {name} {{\n" + "\n".join([*lines, KEPT]) + "\n}"


def _at(peer: Peer) -> str:
    host = f"[{peer.address}]" if ":" in peer.address else peer.address
    return f"{host}:{places.PEER_PORT}"
