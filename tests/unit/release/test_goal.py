"""Where region up brings the services: the new at once, what serves one after the other, open releases left alone."""

from __future__ import annotations

from du_infra.release.aim import Aim, Kept
from du_infra.release.goal import Goal, goal_of
from du_infra.release.state import Json, Rollout
from tests.unit.release.records import record, report, rollout, row

RECORDS = {
    (name, release): record(release, name)
    for name, release in (("hello", "v1-a"), ("hello", "v2-b"), ("shop", "v1-s"), ("old", "v1-o"))
}
HELLO1, HELLO2, SHOP = RECORDS["hello", "v1-a"], RECORDS["hello", "v2-b"], RECORDS["shop", "v1-s"]
BASE = Aim("f", "r", {}, kept=Kept(RECORDS))


def goal(targets: dict[str, Json], *reports: object, unfinished: dict[str, Rollout] | None = None) -> Goal:
    return goal_of(targets, BASE, reports, unfinished or {})  # type: ignore[arg-type]


def names(wanted: Json) -> dict[str, str]:
    return {service["name"]: service["release"] for service in wanted["services"]}


def test_where_nothing_serves_everything_is_new() -> None:
    found = goal({"hello": HELLO1, "shop": SHOP}, report("n1"))
    assert (found.fresh, found.switched) == (("hello", "shop"), ())
    assert names(found.groundwork.wanted(report("n1"), "forward")) == {"hello": "v1-a", "shop": "v1-s"}


def test_another_release_of_what_serves_is_switched_and_the_groundwork_leaves_it() -> None:
    node = report("n1", row("hello", "v1-a"))
    found = goal({"hello": HELLO2, "shop": SHOP}, node)
    assert (found.fresh, found.switched) == (("shop",), ("hello",))
    assert names(found.groundwork.wanted(node, "forward")) == {"hello": "v1-a", "shop": "v1-s"}
    switch = found.switch("hello", {"hold": False})
    assert (switch.targets, switch.previous) == ({"hello": HELLO2}, {"hello": HELLO1})
    assert names(found.aim.wanted(node, "forward")) == {"hello": "v2-b", "shop": "v1-s"}


def test_a_service_that_left_the_file_leaves_the_node() -> None:
    node = report("n1", row("hello", "v1-a"), row("old", "v1-o"))
    found = goal({"hello": HELLO1}, node)
    assert found.aim.drop == {"old"}
    assert names(found.groundwork.wanted(node, "forward")) == {"hello": "v1-a"}


def test_a_release_of_which_the_store_knows_nothing_is_simply_replaced() -> None:
    node = report("n1", row("hello", "v7-lost"))
    found = goal({"hello": HELLO1}, node)
    assert (found.fresh, found.switched) == ((), ())
    assert names(found.groundwork.wanted(node, "forward")) == {"hello": "v1-a"}


def test_an_open_release_is_left_as_each_node_has_it_and_a_new_node_gets_what_serves() -> None:
    held = report("n1", row("hello", "v1-a", preview="v2-b"))
    new = report("n2")
    found = goal({"hello": HELLO1}, held, new, unfinished={"hello": rollout("held", "v2-b", "v1-a")})
    (entry,) = found.groundwork.wanted(held, "forward")["services"]
    assert (entry["release"], entry["rollout"]["hold"]) == ("v2-b", True)
    assert names(found.groundwork.wanted(new, "forward")) == {"hello": "v1-a"}


def test_a_switch_that_was_cut_off_goes_on_from_what_served_before_it() -> None:
    nodes = [report("n1", row("hello", "v2-b")), report("n2", row("hello", "v1-a"))]
    found = goal_of({"hello": HELLO2}, BASE, nodes, {}, {"hello": rollout("running", "v2-b", "v1-a", kind="up")})
    assert (found.fresh, found.switched) == ((), ("hello",))
    assert found.previous == {"hello": HELLO1}


def test_a_first_release_that_was_cut_off_is_still_the_first() -> None:
    nodes = [report("n1", row("hello", "v1-a")), report("n2")]
    found = goal_of({"hello": HELLO1}, BASE, nodes, {}, {"hello": rollout("running", "v1-a", "", kind="up")})
    assert (found.fresh, found.switched) == (("hello",), ())
