"""What is shown to whom: read only, on loopback to anybody there, elsewhere by a token; and health as a status."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from du_infra.errors import Busy, Refused, SpecError
from du_infra.seeing import life
from du_infra.seeing.board import Board, Snapshot
from du_infra.seeing.http import Request
from du_infra.seeing.listen import Address, address_of, bound, listening, token_of
from du_infra.seeing.site import Site
from tests.unit.seeing.bed import ask, board, shown

TOKEN = "0123456789abcdef0123"
PATHS = ("/", "/api/status", "/metrics", "/icon.svg")


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_and_is_hardened(path: str) -> None:
    with shown(board()) as address:
        status, headers, body = ask(address, path)
    assert (status, bool(body)) == (200, True)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy and "script-src" not in policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(method: str) -> None:
    with shown(board()) as address:
        status, headers, body = ask(address, "/api/status", method, body=b"{}")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert "read-only" in body


@pytest.mark.parametrize("path", ["/", "/api/status", "/metrics"])
def test_no_query_has_a_path_made_anew(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = board()
    snapshot, taken = made.snapshot, []

    def counted() -> Snapshot:
        taken.append(path)
        return snapshot()

    monkeypatch.setattr(made, "snapshot", counted)
    site = Site(made)
    for number in range(20):
        assert site(Request("GET", path, f"x={number}", {"host": "localhost"})).status == 200
    assert len(taken) == 1


def test_each_region_has_its_own_page_and_all_unknown_ones_have_the_same() -> None:
    site = Site(board())

    def page(query: str) -> bytes:
        return site(Request("GET", "/", query, {"host": "localhost"})).body

    assert len({page(""), page("still"), page("region=home"), page("region=fsn"), page("region=home&still")}) == 5
    assert page("region=home&x=1") == page("x=2&region=home")
    assert b"minds no region of that name" in page("region=none")
    assert page("region=none") == page("region=other")


def test_an_unknown_path_is_not_found() -> None:
    with shown(board()) as address:
        for path in ("/nothing", "/metrics/", "/../etc/passwd", "//", "/%2e%2e/"):
            assert ask(address, path)[0] == 404


def test_the_page_needs_no_script_and_renews_itself_unless_it_is_asked_not_to() -> None:
    with shown(board()) as address:
        page, still = ask(address, "/")[2], ask(address, "/?still")[2]
    assert '<meta http-equiv="refresh"' in page and '<meta http-equiv="refresh"' not in still
    for text in (page, still):
        assert "<script" not in text and "style=" not in text and "onclick" not in text
        assert not re.search(r'(?:src|href)="(?!/|http://\w+\.example\.com/)', text)


def test_no_badge_says_anything_by_its_colour_alone() -> None:
    with shown(board()) as address:
        page = ask(address, "/")[2]
    badges = re.findall(r'class="(?:badge|verdict)[^"]*"[^>]*>(.*?)</(?:span|p|a|abbr)>', page)
    assert len(badges) > 10
    verdicts = re.findall(r'<(?:span|p) class="(?:badge|verdict) (?:good|warn|bad)">(.*?)</', page, flags=re.S)
    assert all("aria-hidden" in one for one in verdicts)
    words = re.findall(
        r'class="(?:badge|verdict) (?:good|warn|bad)"><span aria-hidden="true">.</span> (\w[^<]*)<', page
    )
    assert len(words) == len(verdicts)


def test_json_has_the_documented_keys() -> None:
    with shown(board()) as address:
        told: dict[str, Any] = json.loads(ask(address, "/api/status")[2])
    assert list(told) == [
        *("version", "fleet", "time", "read_only", "loop", "regions", "traffic", "decisions", "notifications"),
    ]
    home = next(one for one in told["regions"] if one["name"] == "home")
    assert set(home) == {
        *("name", "ready", "seen_seconds_ago", "pass", "provider", "runtime", "gateway", "vip", "services"),
        *("survives", "why", "over", "nodes_wanted", "nodes", "healing", "releases", "leases", "events", "autoscale"),
    }
    assert set(home["nodes"][0]) == {
        *("name", "address", "standing", "machine", "front"),
        *("cpu_percent", "memory_percent", "disk_percent", "why"),
    }
    assert told["decisions"][0].keys() == {"time", "region", "kind", "about", "node", "text"}
    assert told["traffic"]["entries"]["fsn"]["votes"]["du-infra"] is False


def test_a_board_on_which_nothing_is_yet_is_shown() -> None:
    made = Board()
    with shown(made) as address:
        assert "Nothing is up" in ask(address, "/")[2]
        made.minded("demo", {"home": 120.0})
    with shown(made) as address:
        assert "not seen yet" in ask(address, "/")[2]
        assert json.loads(ask(address, "/api/status")[2])["regions"][0]["ready"] is None


def test_health_tells_a_loop_that_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    made = board()
    with shown(made) as address:
        assert ask(address, "/healthz")[::2] == (200, "ok\n")
        monkeypatch.setattr(life.Life, "stale", lambda self, now: True)
        status, _, body = ask(address, "/healthz")
        assert status == 503
        assert "region home: no sign of life" in body
    with shown(made) as address:
        page = ask(address, "/")[2]
        assert "The loop has stopped" in page and "✓" not in page.partition("</head>")[0]
        cards = re.findall(r'<article class="card (\w+)">\s*<header>.*?</header>', page, flags=re.S)
        assert cards == ["bad", "bad", "bad"]


def test_while_a_pass_hangs_it_is_shown_how_old_everything_is() -> None:
    made, hanging = board(), threading.Event()

    def hang() -> None:
        made.began("home")
        hanging.wait(60)

    thread = threading.Thread(target=hang, daemon=True)
    thread.start()
    with shown(made) as address:
        time.sleep(1.2)
        told = json.loads(ask(address, "/api/status")[2])
    hanging.set()
    home = next(one for one in told["regions"] if one["name"] == "home")
    assert home["seen_seconds_ago"] >= 1.1
    assert home["pass"]["running_seconds"] >= 1.1


def test_without_a_token_only_who_asks_for_this_machine_is_answered() -> None:
    with shown(board()) as address:
        for host in ("evil.example.com", "evil.example.com:80", "10.0.0.1", "127.0.0.1.example.com"):
            assert ask(address, "/api/status", headers={"Host": host})[0] == 421
        for host in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]:9464"):
            assert ask(address, "/api/status", headers={"Host": host})[0] == 200


@pytest.mark.parametrize("path", PATHS)
def test_with_a_token_only_who_knows_it_is_answered(path: str) -> None:
    with shown(board(), TOKEN) as address:
        status, headers, body = ask(address, path)
        assert (status, headers["www-authenticate"].split()[0]) == (401, "Basic")
        assert "demo" not in body
        for wrong in (
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": "Bearer "},
            {"Authorization": TOKEN},
            {"Authorization": "Basic ???"},
            {"Authorization": "Bearer \xfc"},
            basic(TOKEN, ""),
        ):
            assert ask(address, path, headers=wrong)[0] == 401
        for right in ({"Authorization": f"Bearer {TOKEN}"}, basic("anybody", TOKEN), basic("", TOKEN)):
            assert ask(address, path, headers=right)[0] == 200


def test_health_is_for_everybody_and_its_reasons_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life.Life, "stale", lambda self, now: True)
    with shown(board(), TOKEN) as address:
        assert ask(address, "/healthz")[::2] == (503, "stale\n")
        assert "home" in ask(address, "/healthz", headers={"Authorization": f"Bearer {TOKEN}"})[2]


def test_the_world_is_not_listened_for_without_a_token() -> None:
    for host in ("0.0.0.0", "::", "10.1.2.3"):
        with pytest.raises(Refused, match="without a token"):
            listening(Address(host, 0), "")
    made = listening(Address("0.0.0.0", 0), TOKEN)
    made.close()


def test_two_cannot_listen_at_one_place() -> None:
    first = listening(Address("127.0.0.1", 0), "")
    with pytest.raises(Busy, match="somebody listens"):
        listening(bound(first), "")
    first.close()


def test_an_address_of_another_machine_is_a_mistake() -> None:
    with pytest.raises(SpecError, match="nobody can listen there"):
        listening(Address("203.0.113.9", 0), TOKEN)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("9464", "127.0.0.1:9464"), ("localhost:80", "127.0.0.1:80"), ("[::1]:1", "[::1]:1"), ("0.0.0.0:0", "0.0.0.0:0")],
)
def test_an_address_is_read(text: str, meant: str) -> None:
    assert str(address_of(text)) == meant


@pytest.mark.parametrize(
    "text", ["", "x", "127.0.0.1", "host.example.com:80", "127.0.0.1:65536", "1:2:3", "[::1]", ":x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        address_of(text)


def test_a_token_comes_from_a_file_that_nobody_else_may_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o644)
    with pytest.raises(Refused, match="other users may read"):
        token_of(file)
    file.chmod(0o600)
    assert token_of(file) == TOKEN
    file.write_text("short")
    with pytest.raises(SpecError, match="at least 16"):
        token_of(file)
    with pytest.raises(SpecError, match="cannot be read"):
        token_of(tmp_path / "none")
    assert token_of(None) == ""
    assert os.environ.get("DU_TOKEN_FILE") is None
