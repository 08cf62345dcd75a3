"""Releases as commands: planned, begun, held, cut off, gone on with; nodes are in memory, the store is real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from du_infra.control.context import RegionContext
from du_infra.control.release import begin, decide, going_on, past, resolve, site
from du_infra.control.release.cuts import Pace
from du_infra.control.release.desk import Desk
from du_infra.errors import Busy, NotReady, Refused, SpecError
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent
from du_infra.release import pins
from du_infra.release.plan import entry_of, release_of, wanted_of
from du_infra.release.secrets import Secrets
from du_infra.release.state import Json, Rollout
from du_infra.spec import FleetSpec, RegionSpec, ServiceSpec
from tests.unit.release.fake_nodes import FakeNode, FakeNodes

HELLO = ServiceSpec(image="registry.local:5000/hello", tag="v1", port=8080)
PACE = Pace(lost=0.2, look=0.001, doubt=0.01, gateway=0.05, request=0.002)


def at(tag: str, **changes: Any) -> Json:
    spec = HELLO.model_copy(update={"tag": tag, **changes})
    return release_of("hello", spec, f"sha256:{tag:0<64}")


class Provider:
    """A cloud in which every image exists."""

    def connect(self) -> None:
        pass

    def prepare_images(self, *_: object) -> None:
        pass


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> FakeNodes:
    made = FakeNodes([FakeNode("n1"), FakeNode("n2")])
    monkeypatch.setattr(site, "SshNodes", lambda *_: made)
    monkeypatch.setattr(begin, "record_for", lambda _context, _name, spec, _secrets: at(spec.tag, env=spec.env))
    monkeypatch.setattr(going_on, "Desk", lambda *a, **k: Desk(*a, **{**k, "pace": PACE}))
    monkeypatch.setattr(past, "observe_nodes", lambda _context, found: made.look([node.name for node in found]))
    return made


@pytest.fixture
def context(tmp_path: Path, nodes: FakeNodes) -> RegionContext:
    """A region of two nodes that serve v1, as `region up` left it."""
    return region(tmp_path, nodes)


def region(folder: Path, nodes: FakeNodes, **changes: Any) -> RegionContext:
    hello = HELLO.model_copy(update=changes)
    fleet = FleetSpec(fleet="f", regions={"home": RegionSpec(provider="lxd")}, services={"hello": hello})
    found = RegionContext(fleet, "home", folder)
    found.__dict__["provider"] = Provider()
    if not found.state.exists():
        record = at("v1")
        pool = tuple(Node(name, "1c1g", f"198.18.1.{n}", joined=True) for n, name in enumerate(nodes.nodes, 2))
        found.store.save_pool("home", PoolRecord("198.18.1.1", 2, pool))
        found.store.record_release("home", record)
        options = {**record["way"], "mark": pins.mark_of(hello), "over": False}
        row = Rollout(0, "home", "hello", "up", record["release"], "", "ann", options, 1.0)
        found.store.rollouts.end(found.store.rollouts.begin(row).id, "done")
        for node in nodes.nodes.values():
            node.take(wanted_of("f", "home", [entry_of(record)]))
    return found


def start(context: RegionContext, tag: str = "v2", **wish: Any) -> begin.Ending:
    plan = begin.plan_release(context, "hello", tag, begin.Wish(**wish), silent)
    return begin.carry_out(context, plan, silent)


def serving(nodes: FakeNodes) -> set[str]:
    return {node.serves["hello"].partition("-")[0] for node in nodes.nodes.values()}


def test_a_release_is_planned_without_touching_anything_and_carried_out(
    context: RegionContext, nodes: FakeNodes
) -> None:
    plan = begin.plan_release(context, "hello", "v2", begin.Wish(observe=5.0), silent)
    assert [(n.node, n.batch, n.serves[:2]) for n in plan.nodes] == [("n1", 1, "v1"), ("n2", 2, "v1")]
    assert plan.options["rollout"]["observe"] == 5.0
    assert (serving(nodes), nodes.told) == ({"v1"}, [])
    ending = begin.carry_out(context, plan, silent)
    assert (ending.error, ending.rollouts[0].state) == (None, "done")
    assert serving(nodes) == {"v2"}


def test_what_serves_already_is_not_released_again(context: RegionContext, nodes: FakeNodes) -> None:
    assert start(context, "v1").rollouts == ()
    assert nodes.told == []


def test_a_rollback_goes_back_to_what_served_before_and_a_second_one_undoes_it(
    context: RegionContext, nodes: FakeNodes
) -> None:
    start(context)
    for expected in ("v1", "v2"):
        plan = begin.plan_rollback(context, "hello", "")
        assert (plan.kind, plan.options["rollout"]["observe"], plan.options["before"]) == ("rollback", 0, [])
        begin.carry_out(context, plan, silent)
        assert serving(nodes) == {expected}


def test_a_rollback_to_a_release_of_the_past_takes_its_id_or_its_tag(context: RegionContext, nodes: FakeNodes) -> None:
    start(context)
    start(context, "v3")
    assert begin.plan_rollback(context, "hello", "v1").release == at("v1")["release"]
    assert begin.plan_rollback(context, "hello", at("v1")["release"]).release == at("v1")["release"]
    with pytest.raises(Refused, match="no release v9") as caught:
        begin.plan_rollback(context, "hello", "v9")
    assert at("v1")["release"] in caught.value.todo


def test_there_is_nothing_to_go_back_to_before_the_second_release(context: RegionContext) -> None:
    with pytest.raises(Refused, match="nothing of hello served before"):
        begin.plan_rollback(context, "hello", "")


def test_a_tag_that_two_kept_releases_have_has_to_be_told_apart(tmp_path: Path, nodes: FakeNodes) -> None:
    region(tmp_path, nodes)
    changed = region(tmp_path, nodes, env={"A": "1"})
    start(changed, "v1")
    with pytest.raises(Refused, match="2 releases of hello have the tag v1"):
        begin.plan_rollback(changed, "hello", "v1")


def test_a_held_release_is_promoted_or_aborted_and_nothing_else(context: RegionContext, nodes: FakeNodes) -> None:
    assert start(context, hold=True).rollouts[0].state == "held"
    with pytest.raises(Refused, match="held on its preview"):
        start(context, "v3")
    with pytest.raises(Refused, match="held on its preview"):
        decide.resume(context, "hello", silent)
    assert decide.promote(context, "", silent).rollouts[0].state == "done"
    assert serving(nodes) == {"v2"}
    start(context, "v3", hold=True)
    assert decide.abort(context, "hello", silent).rollouts[0].state == "aborted"
    assert serving(nodes) == {"v2"}
    assert not any(node.preview for node in nodes.nodes.values())


def cut_off(context: RegionContext, nodes: FakeNodes) -> Rollout:
    """A release whose controller died when the first node had switched."""
    plan = begin.plan_release(context, "hello", "v2", begin.Wish(), silent)
    row = begin.begin(context, "start", plan.record, plan.previous, plan.options, ["n1", "n2"])
    nodes.nodes["n1"].take(wanted_of("f", "home", [entry_of(plan.record)]))
    return context.store.rollouts.change(row.id, nodes={"n1": {"asked": True}, "n2": {}})


def test_a_release_that_was_cut_off_goes_on_or_back(context: RegionContext, nodes: FakeNodes) -> None:
    cut_off(context, nodes)
    (standing,) = past.standings(context)
    assert standing.cut_off
    with pytest.raises(Refused, match="cut off"):
        start(context, "v3")
    with pytest.raises(Refused, match="cut off"):
        decide.promote(context, "", silent)
    assert decide.resume(context, "", silent).rollouts[0].state == "done"
    assert serving(nodes) == {"v2"}


def test_an_abort_of_what_was_cut_off_takes_back_what_had_switched(context: RegionContext, nodes: FakeNodes) -> None:
    cut_off(context, nodes)
    ending = decide.abort(context, "", silent)
    assert (ending.rollouts[0].state, ending.error) == ("aborted", None)
    assert "aborted by" in ending.rollouts[0].why
    assert serving(nodes) == {"v1"}


def test_what_somebody_works_on_is_left_to_them(context: RegionContext, nodes: FakeNodes) -> None:
    row = cut_off(context, nodes)
    with context.store.leases.held("home/hello", "start of hello"):
        for work in (
            lambda: start(context, "v3"),
            lambda: decide.resume(context, "", silent),
            lambda: decide.promote(context, "", silent),
        ):
            with pytest.raises(Busy, match="start of hello"):
                work()
        assert past.under_way(context)["hello"].startswith("start of v2")
    assert context.store.rollouts.get(row.id).open


def test_without_an_open_release_there_is_nothing_to_decide(context: RegionContext) -> None:
    with pytest.raises(Refused, match="no release is under way"):
        decide.abort(context, "", silent)
    with pytest.raises(SpecError, match="no service helo"):
        decide.open_release(context, "helo")


def test_nothing_begins_while_a_node_does_not_answer(context: RegionContext, nodes: FakeNodes) -> None:
    nodes.nodes["n2"].silent = 1000
    with pytest.raises(NotReady, match="n2 does not answer"):
        start(context)
    assert [row.kind for row in past.history(context)] == ["up"]


def test_a_region_that_changed_after_the_plan_was_made_is_planned_again(
    context: RegionContext, nodes: FakeNodes
) -> None:
    plan = begin.plan_release(context, "hello", "v3", begin.Wish(), silent)
    start(context, "v2")
    with pytest.raises(Refused, match="changed since"):
        begin.carry_out(context, plan, silent)


def test_a_release_over_the_file_is_what_region_up_wants_until_the_file_changes(
    tmp_path: Path, context: RegionContext, nodes: FakeNodes
) -> None:
    start(context)
    assert {name: record["tag"] for name, record in resolve.pinned_records(context).items()} == {"hello": "v2"}
    assert resolve.over_words(context) == {"hello": "v2, released over fleet.yaml's v1"}
    assert resolve.pinned_records(region(tmp_path, nodes, env={"A": "1"})) == {}


def test_a_region_that_is_not_up_has_no_past_and_no_releases(tmp_path: Path, nodes: FakeNodes) -> None:
    fleet = FleetSpec(fleet="f", regions={"home": RegionSpec(provider="lxd")}, services={"hello": HELLO})
    nowhere = RegionContext(fleet, "home", tmp_path / "empty")
    assert past.history(nowhere) == []
    assert past.standings(nowhere)[0].nodes == ()
    with pytest.raises(Refused, match="not up"):
        site.nodes(nowhere, Secrets())
