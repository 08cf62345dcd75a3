"""A cluster is told how many copies there are to be: by one node, once, and only what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from du_infra.autoscale.state import Sample
from du_infra.control import autoscale, copies
from du_infra.control.autoscale import carry_out, plan_autoscale
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.context import RegionContext
from du_infra.control.region_plan import plan_region
from du_infra.errors import Refused, Unreachable
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolPlan, PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Event, silent
from du_infra.release.aim import Aim
from du_infra.release.goal import Goal
from du_infra.release.state import Rollout
from du_infra.spec.load import check_text

FLEET = """
fleet: demo
regions:
  home: {provider: lxd, runtime: k3s, pool: {min: 1, max: 5%s}}
services:
  hello: {image: hello, port: 8080, replicas: %s}
"""
NODES = tuple(Node(f"demo-home-{n}", "1c1g", f"198.18.1.{n + 1}", joined=True) for n in (1, 2))
RECORD = PoolRecord("198.18.1.1", 2, NODES)


class Cluster:
    """What nodes say and are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.slots, self.cpu = 2, 2, 90.0
        self.silent = ""
        self.here = {node.name: 1 for node in NODES}
        self.orders: list[tuple[str, str, Mapping[str, Any]]] = []
        monkeypatch.setattr(Nodes, "order", self._order)
        for module in (copies, autoscale):
            monkeypatch.setattr(module, "observe_nodes", lambda _, nodes: self.reports(nodes))

    def _order(self, node: Node, verb: str, order: Mapping[str, Any], seconds: float) -> None:
        self.orders.append((node.name, verb, order))
        self.count = max(order["copies"].get("hello", self.count), len(order["nodes"]))
        self.slots = min(self.slots, len(order["nodes"]))

    def reports(self, nodes: Sequence[Node] = NODES) -> list[NodeReport]:
        told = {"count": self.count, "slots": self.slots, "ready": self.count, "asked": 1, "cpu_percent": self.cpu}
        load = {"cpu_percent": 90.0, "memory_percent": 50.0, "rps": 10.0}
        return [
            NodeReport(
                n.name,
                n.address,
                ready=True,
                services=({"name": "hello", "copies": {**told, "here": self.here[n.name]}},),
                load=load,
                reachable=n.name != self.silent,
            )
            for n in nodes
        ]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def region(folder: Path, replicas: str, pool: str = "") -> RegionContext:
    spec, complaints = check_text(FLEET % (pool, replicas))
    assert spec, complaints
    context = RegionContext(spec, "home", folder)
    context.store.save_pool("home", RECORD)
    return context


def test_fleet_yaml_s_word_is_told_once_and_by_a_node_that_answers(tmp_path: Path, cluster: Cluster) -> None:
    home = region(tmp_path, "4")
    cluster.silent = NODES[0].name
    assert copies.settle(home, RECORD, silent)
    told = {"copies": {"hello": 4}, "nodes": [node.name for node in NODES]}
    assert cluster.orders == [(NODES[1].name, "copies", told)]
    assert not copies.settle(home, RECORD, silent)
    assert len(cluster.orders) == 1
    (change,) = copies.changes_of(home)["hello"]
    assert (change.before, change.after, change.ended) == (2, 4, True)


def test_what_a_node_that_is_gone_has_left_is_cleared(tmp_path: Path, cluster: Cluster) -> None:
    home = region(tmp_path, "1")
    assert copies.settle(home, RECORD.without([NODES[1].name]), silent)
    assert (cluster.count, cluster.slots) == (1, 1)
    cluster.count, cluster.slots = 1, 3
    assert copies.settle(home, RECORD, silent)
    assert not copies.settle(home, RECORD, silent)


def schedule(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *, bare: str, full: str, room: bool = True) -> None:
    """All copies are on ``full``; a copy more is placed where none is, if there is ``room``, and a copy less is taken
    from where several are."""
    cluster.here = {bare: 0, full: 2}

    def place(_: Nodes, node: Node, verb: str, told: Mapping[str, Any], seconds: float) -> None:
        cluster.orders.append((node.name, verb, told))
        cluster.count = max(told["copies"]["hello"], len(told["nodes"]))
        placed = int(room) if cluster.count > 2 else cluster.here[bare]
        cluster.here = {bare: placed, full: cluster.count - placed}

    monkeypatch.setattr(Nodes, "order", place)


def test_copies_that_share_a_node_are_spread_and_there_is_never_one_less(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, (bare, full) = region(tmp_path, "1"), (node.name for node in NODES)
    schedule(cluster, monkeypatch, bare=bare, full=full)
    assert copies.unsettled(home, cluster.reports()) == (f"hello: {bare} has no copy, and {full} more than one",)
    assert copies.settle(home, RECORD, silent) == ("hello: each node has a copy again",)
    assert [told["copies"] for _, _, told in cluster.orders] == [{"hello": 3}, {"hello": 1}]
    assert cluster.here == {bare: 1, full: 1}
    assert copies.unsettled(home, cluster.reports()) == ()
    assert copies.settle(home, RECORD, silent) == ()


def test_a_copy_that_finds_no_place_there_is_given_up_with_a_word(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, (bare, full) = region(tmp_path, "1"), (node.name for node in NODES)
    schedule(cluster, monkeypatch, bare=bare, full=full, room=False)
    heard: list[Event] = []
    assert copies.settle(home, RECORD, heard.append) == ()
    assert [told["copies"] for _, _, told in cluster.orders] == [{"hello": 3}, {"hello": 1}]
    assert heard[-1].kind == "warning"
    assert "may it take pods" in heard[-1].text


def test_a_copy_that_never_gets_ready_is_given_up(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_PLACED_SECONDS", -3600.0)
    cluster.here = dict(zip(cluster.here, (0, 2), strict=True))
    monkeypatch.setattr(Nodes, "order", lambda _, node, verb, told, seconds: cluster.orders.append((node, verb, told)))
    assert copies.settle(region(tmp_path, "1"), RECORD, silent) == ()
    assert [told["copies"] for _, _, told in cluster.orders] == [{"hello": 3}, {"hello": 1}]


def test_the_copies_too_many_go_also_when_the_nodes_are_not_heard_of_any_more(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.here = dict(zip(cluster.here, (0, 2), strict=True))

    def fails(*_: object) -> bool:
        raise Unreachable("does not answer", where="demo-home-1")

    monkeypatch.setattr(copies, "_placed", fails)
    with pytest.raises(Unreachable):
        copies.settle(region(tmp_path, "1"), RECORD, silent)
    assert [told["copies"] for _, _, told in cluster.orders] == [{"hello": 3}, {"hello": 1}]


def test_after_nodes_have_left_trouble_is_only_a_warning(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise Unreachable("does not answer", where="demo-home-1")

    monkeypatch.setattr(Nodes, "order", fails)
    heard: list[Event] = []
    copies.settle_if_it_can(region(tmp_path, "4"), RECORD, heard.append)
    assert [event.kind for event in heard] == ["warning"]


def test_a_region_without_a_cluster_is_left_alone(tmp_path: Path, cluster: Cluster) -> None:
    spec, _ = check_text("fleet: demo\nregions: {home: {provider: lxd}}\nservices: {hello: {image: x, port: 80}}\n")
    assert spec
    plain = RegionContext(spec, "home", tmp_path)
    assert (copies.plan_copies(plain, cluster.reports()), copies.scales(plain)) == ((), False)
    assert not copies.settle(plain, RECORD, silent)


def test_busy_copies_become_more_and_nodes_wait_for_them(tmp_path: Path, cluster: Cluster) -> None:
    home = region(tmp_path, "{max: 4}", ", autoscale: {cpu: 60%, cooldown: 1m}")
    planned = plan_autoscale(home)
    assert [str(one) for one in planned.copies] == ["hello: 2 → 3: cpu 90 % against 70 % for 1 minute"]
    assert (planned.decision.want, "copies come first" in planned.decision.why) == (2, True)
    done = carry_out(home, planned, silent)
    assert (done.told, done.up, cluster.count) == (True, None, 3)
    assert done.to_json()["copies"]["hello"]["want"] == 3
    again = plan_autoscale(home)
    assert not again.changes
    assert "hello: 2 → 3 was a moment ago" in again.decision.why


def test_copies_alone_can_be_scaled(tmp_path: Path, cluster: Cluster) -> None:
    home = region(tmp_path, "{max: 4}")
    planned = plan_autoscale(home)
    assert (str(planned.decision), planned.targets) == ("2: fleet.yaml does not say how to scale nodes", {})
    assert carry_out(home, planned, silent).told
    with pytest.raises(Refused, match="does not say how to scale it"):
        plan_autoscale(region(tmp_path, "4"))


def test_idle_copies_go_only_after_a_while_and_not_below_the_slots(tmp_path: Path, cluster: Cluster) -> None:
    home = region(tmp_path, "{max: 6}")
    cluster.count, cluster.cpu = 3, 1.0
    now = autoscale.time.monotonic()
    for age in range(300, 0, -20):
        home.store.autoscaling.add("home/hello", Sample(now - age, 3, silent=0, cpu=1.0))
    assert not plan_autoscale(home).changes, "one of three copies was not measured"
    rows = cluster.reports()
    home.store.forget("home")
    home.store.save_pool("home", RECORD)
    for age in range(300, 0, -20):
        home.store.autoscaling.add("home/hello", Sample(now - age, 3, silent=0, cpu=1.0))
    full = [
        replace(told, services=({**told.services[0], "copies": {**told.services[0]["copies"], "here": 2}},))
        for told in rows
    ]
    assert [one.decision.want for one in plan_autoscale(home, full).copies] == [2]


def test_nothing_is_decided_while_a_release_goes_live(tmp_path: Path, cluster: Cluster) -> None:
    home = region(tmp_path, "{max: 4}")
    home.store.rollouts.begin(Rollout(0, "home", "hello", "start", "v2-1", "v1-1", "me@here", {}, 0.0))
    assert plan_autoscale(home).copies == ()


def test_a_plan_shows_what_becomes_of_copies(tmp_path: Path, cluster: Cluster) -> None:
    home = region(tmp_path, "4")
    found = copies.plan_copies(home, cluster.reports())
    pool = PoolPlan(RECORD)
    told = plan_region("home", pool, {}, {}, Goal(Aim("demo", "home", {})), found)
    assert [(a.kind, a.target, a.why) for a in told.actions if a.kind == "copies"] == [
        ("copies", "hello", "2 → 4: min is 4")
    ]
    cluster.slots = 3
    assert [one.due for one in copies.plan_copies(region(tmp_path, "1"), cluster.reports())] == [
        "1 slot(s) of nodes that are gone"
    ]


def test_what_was_measured_goes_with_the_region(tmp_path: Path, cluster: Cluster) -> None:
    home = region(tmp_path, "{max: 4}")
    carry_out(home, plan_autoscale(home), silent)
    home.store.forget("home")
    assert copies.changes_of(home) == {"hello": []}
    assert home.store.autoscaling.samples("home/hello", 0) == []
