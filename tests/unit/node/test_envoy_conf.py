"""routes.json and clusters.json: what Envoy is told. No Envoy here: see test_envoy.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_node import places
from du_node.errors import NodeError
from du_node.gateway import envoy_clusters as clusters
from du_node.gateway import envoy_conf as conf
from du_node.serve import Cached
from du_node.state import Route
from du_node.table import Entry, Peer, Table, Upstream, settle

BLUE = Upstream("blue", 20000, "v1-abc", "v1", "sha256:1")
GREEN = Upstream("green", 20001, "v2-def", "v2", "sha256:2")
PEERS = (Peer("demo-home-2", "10.0.0.2"), Peer("demo-home-3", "fd00::3"))


def entry(name: str = "hello", host: str = "", path: str = "/", **more: Any) -> Entry:
    return Entry(name, Route(host, path), BLUE, **more)


TABLES: list[Table] = [
    (),
    (entry(),),
    (entry(backup=GREEN),),
    (entry(canary=GREEN, share=5),),
    (entry(canary=GREEN, share=25, sticky=True),),
    (entry(preview=GREEN),),
    (entry("a", path="/"), entry("b", path="/api"), entry("c", path="/api/v2")),
    (entry("a", host="www.example.com"), entry("b", host="www.example.com", path="/b"), entry("c")),
    (entry(host="localhost"), entry("b", host="localhost", path="/b", canary=GREEN, share=99, sticky=True)),
    (entry(path="/a!&+,=:@~._-"),),
    (entry(shared=True), entry("b", path="/b", canary=GREEN, share=5, sticky=True, shared=True)),
    (
        entry(peers=PEERS, backup=GREEN),
        entry("a", host="www.example.com", peers=PEERS, canary=GREEN, share=25, sticky=True),
        entry("b", path="/b", peers=PEERS[:1], canary=GREEN, share=5),
        entry("p", path="/p", peers=PEERS[:1], preview=GREEN),
    ),
]


def resource(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(conf.render(table)[0])["resources"][0]
    return found


def named(value: object) -> Iterator[str]:
    """Every cluster that a configuration names."""
    if isinstance(value, dict):
        if "cluster" in value:
            yield value["cluster"]
        yield from (weight["name"] for weight in value.get("weighted_clusters", {}).get("clusters", ()))
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from named(part)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Any table that the planner may ask for."""
    made = []
    for name in draw(st.lists(st.sampled_from(["a", "b-c", "d"]), unique=True)):
        port = draw(st.integers(20000, 29998))
        blue, green = replace(BLUE, port=port), replace(GREEN, port=port + 1)
        more: dict[str, Any] = draw(
            st.sampled_from([{}, {"backup": green}, {"canary": green, "share": 5}, {"preview": green}])
        )
        if "canary" in more:
            more = {**more, "sticky": draw(st.booleans())}
        more |= draw(st.sampled_from([{}, {"shared": True}, {"peers": PEERS[:1]}, {"peers": PEERS}]))
        host, path = draw(st.sampled_from(["", "a.example", "localhost"])), draw(st.sampled_from(["/", "/x", "/x/y"]))
        made.append(Entry(name, Route(host, path), blue, **more))
    return settle(made, [])


@given(tables())
def test_every_cluster_that_a_route_names_is_told_to_envoy(table: Table) -> None:
    known = clusters.read(clusters.render(table)[0]).keys()
    assert set(named(resource(table))) - {"readyz"} == known == clusters.names(table)


@given(tables())
def test_what_comes_from_a_peer_goes_to_slots_of_this_node_alone(table: Table) -> None:
    known = clusters.read(clusters.render(table)[0])
    routes = [route for host in resource(table)["virtual_hosts"] for route in host["routes"]]
    behind = [route for route in routes if any(_entrance(route, name) for name in ("peer", "preview"))]
    assert bool([route for route in behind if _entrance(route, "peer")]) == any(item.shared for item in table)
    for name in set(named(behind)) - {"readyz"}:
        hosts = [host for turn in known[name]["load_assignment"]["endpoints"] for host in turn["lb_endpoints"]]
        addresses = {host["endpoint"]["address"]["socket_address"]["address"] for host in hosts}
        assert addresses == {"127.0.0.1"}


def _entrance(route: dict[str, Any], name: str) -> bool:
    return any(mark["string_match"]["exact"] == name for mark in route["match"].get("filter_state", ()))


def test_a_slot_that_refuses_is_asked_by_its_other_port() -> None:
    item = entry()
    (alone,) = clusters.read(clusters.render((item,))[0]).values()
    ported = replace(item, primary=replace(BLUE, unready_port=20100))
    (made,) = clusters.read(clusters.render((ported,))[0]).values()
    assert made["name"] != alone["name"]
    asked = [one["lb_endpoints"][0]["endpoint"]["address"] for one in made["load_assignment"]["endpoints"]]
    assert [one["socket_address"]["port_value"] for one in asked] == [item.primary.port, 20100]


@given(tables(), tables())
def test_between_two_tables_envoy_has_the_clusters_of_both(old: Table, new: Table) -> None:
    between, _ = clusters.render(new, clusters.read(clusters.render(old)[0]))
    assert clusters.read(between).keys() == clusters.names(old) | clusters.names(new)


@given(tables(), tables())
def test_a_cluster_is_never_changed(one: Table, other: Table) -> None:
    first, second = (clusters.read(clusters.render(table)[0]) for table in (one, other))
    assert all(first[name] == second[name] for name in first.keys() & second.keys())


@given(tables())
def test_a_table_can_be_read_back_from_its_text(table: Table) -> None:
    text, digest = conf.render(table)
    assert conf.read(text) == (table, digest)


@pytest.mark.parametrize("table", TABLES)
def test_serve_reads_the_table_from_the_first_line(table: Table, tmp_path: Path) -> None:
    text, digest = conf.render(table)
    (tmp_path / "routes.json").write_text(text)
    _, head, tail = places.STORED_TABLE["envoy"]
    stored = Cached(str(tmp_path / "routes.json"), head, tail).get()
    assert (stored["hash"], [item["service"] for item in stored["table"]]) == (digest, [e.service for e in table])


def test_a_file_that_was_changed_by_hand_has_no_hash() -> None:
    text, _ = conf.render((entry(),))
    table, digest = conf.read(text.replace('"60s"', '"1s"'))
    assert (len(table), digest) == (1, "")


@pytest.mark.parametrize(
    "text", ["", "{}", conf.HEAD, f"{conf.HEAD}[]{conf.TAIL}\n", f'{conf.HEAD}{{"table":[{{}}]}}}},\n']
)
def test_what_we_did_not_write_is_no_table(text: str) -> None:
    assert conf.read(text) == ((), "")
    assert clusters.read(text) == {}


def test_longer_paths_come_first_and_take_whole_segments() -> None:
    routes = resource((entry("a"), entry("b", path="/api"), entry("c", path="/api/v2")))["virtual_hosts"][0]["routes"]
    places_of = [route["match"] for route in routes if route.get("name") in ("a", "b", "c")]
    found = [match.get("path_separated_prefix", match.get("prefix")) for match in places_of]
    assert found == ["/api/v2"] * 2 + ["/api"] * 2 + ["/"] * 2


def test_readyz_is_answered_on_hosts_that_no_service_names() -> None:
    hosts = resource((entry(host="www.example.com"),))["virtual_hosts"]
    assert [any(r.get("name") == conf.READYZ for r in host["routes"]) for host in hosts] == [True, False]


def test_a_post_is_repeated_only_when_it_was_not_sent() -> None:
    routes = resource((entry(),))["virtual_hosts"][0]["routes"]
    post = next(r for r in routes if any(h["name"] == ":method" for h in r["match"].get("headers", ())))
    assert "reset" not in post["route"]["retry_policy"]["retry_on"].split(",")


@pytest.mark.parametrize("bad", [entry(path='/a"b'), entry(host="a b"), entry("Hello"), entry(canary=GREEN, share=0)])
def test_what_could_mean_something_else_is_refused(bad: Entry) -> None:
    with pytest.raises(NodeError):
        conf.render((bad,))
