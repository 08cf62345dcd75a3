"""A gateway's table that another du-node wrote, or somebody by hand: it is noticed, and written anew."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from du_node import files, places, serve
from du_node.actions import SetRoutes
from du_node.draft import Draft
from du_node.gateway import nginx_conf
from du_node.origin import Origin
from du_node.serve import Cached, Server
from du_node.state import Container, Gateway, Observed, Route, Wanted
from du_node.table import Entry, Table, pairs, upstream

BLUE = Container("hello", "blue", True, 20000, "r1", "v1", "image@sha256:0", "sha256:0", "c1", ready=True)
TABLE: Table = (Entry("hello", Route(), upstream(BLUE)),)


def test_what_was_there_before_is_strange_until_a_healing_ends_well() -> None:
    origin = Origin()
    assert not origin.strange
    origin.look("1", busy=True)
    assert origin.strange
    origin.healed()
    origin.look("1", busy=False)
    assert not origin.strange


@pytest.mark.parametrize("ended", [False, True])
def test_what_a_du_node_of_ours_writes_is_not_strange(ended: bool) -> None:
    origin = Origin()
    origin.look("", busy=False)
    origin.begins()
    origin.look("1", busy=not ended)
    assert not origin.strange


def test_what_comes_by_itself_is_strange() -> None:
    origin = Origin()
    origin.look("1", busy=False)
    origin.healed()
    origin.look("2", busy=False)
    assert origin.strange


def _newer(text: str) -> str:
    """With a field that this program does not know."""
    first, _, rest = text.partition("\n")
    told = json.loads(first.removeprefix("# du-node "))
    told["table"][0]["later"] = 1
    return f"# du-node {json.dumps(told)}\n{rest}"


@pytest.mark.parametrize("written", [lambda text: text + "# by an older one\n", _newer])
def test_a_table_that_this_program_would_write_in_another_way_is_written_anew(
    written: Callable[[str], str], tmp_path: Path
) -> None:
    text, live = nginx_conf.render(TABLE)
    file = tmp_path / "du.conf"
    file.write_text(written(text))
    assert Cached(str(file), "# du-node ").get()["hash"] == live  # all that serve sees of it
    _, disk = nginx_conf.read(file.read_text())
    seen = Observed((BLUE,), Gateway(True, pairs(TABLE), live, disk), frozenset({BLUE.image}))
    draft = Draft(Wanted("f", "r", "n", "c"), seen)
    draft.settle()
    assert draft.actions == (SetRoutes(TABLE),)


@pytest.mark.parametrize(("code", "strange"), [(0, False), (5, True)])
def test_serve_has_it_seen_to_until_that_ends_well(
    code: int, strange: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serve, "_SOCKET", str(tmp_path / "s"))
    for name in ("RUN", "LOCK", "PEERS", "SEEN", "HANDOVER", "VIP_AWAY", "WANTED", "RESULT", "SETTINGS"):
        monkeypatch.setattr(places, name, str(tmp_path / name.lower()))
    conf = tmp_path / "du.conf"
    conf.write_text(nginx_conf.render(TABLE)[0])
    monkeypatch.setitem(places.STORED_TABLE, "nginx", (str(conf), "# du-node ", ""))
    Path(places.WANTED).write_text('{"services": [{"name": "hello"}]}')
    Path(places.RESULT).write_text(json.dumps({"wanted": files.stamp(places.WANTED), "ended": True}))
    monkeypatch.setattr(Server, "_start", lambda *_: os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {code}"], {}))
    server = Server()
    server._look()
    assert server._facts().cut_off
    server._heal([])
    deadline = time.monotonic() + 5
    while server._busy() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server._facts().cut_off == strange
