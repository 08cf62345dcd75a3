"""Nodes that came back with another release than serves: who is brought along, when, and to what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from du_infra.release.catch_up import HOUR, LONGEST_WAIT, PER_HOUR, CatchUp, Late, Runs, plan_catch_up, wait_after

LIVE = {"hello": "v2-b", "shop": "v1-a"}


def runs(name: str, hello: str = "v2-b", shop: str = "v1-a", **more: Any) -> Runs:
    return Runs(name, {"hello": hello, "shop": shop}, **{"ready": frozenset({"hello", "shop"}), **more})


A, B, LATE = runs("a"), runs("b"), runs("c", "v1-a")


def plan(*nodes: Runs, tries: Sequence[float] = (), now: float = 100.0, **more: Any) -> CatchUp:
    return plan_catch_up(nodes, LIVE, tries={"c": tries}, now=now, **more)


def test_where_all_nodes_serve_the_same_there_is_nothing_to_do() -> None:
    assert plan(A, B) == CatchUp()


def test_a_node_that_came_back_with_the_old_release_goes_to_the_one_that_serves() -> None:
    found = plan(A, LATE)
    assert found == CatchUp(Late("c", {"hello": ("v1-a", "v2-b")}))
    assert str(found.late) == "hello v1-a → v2-b"


def test_one_at_a_time() -> None:
    found = plan(A, runs("b", "v1-a"), LATE)
    assert (found.late and found.late.node, found.left) == ("b", {})


def test_a_release_that_is_under_way_or_held_is_its_own_matter() -> None:
    assert plan(A, LATE, open_=["hello"]) == CatchUp()


def test_a_node_on_which_somebody_works_or_that_does_not_answer_is_left_alone() -> None:
    assert plan(A, runs("c", "v1-a", free=False)) == CatchUp()


def test_a_service_of_which_the_store_knows_nothing_is_left_alone() -> None:
    assert plan(A, Runs("c", {"other": "v7-c"})) == CatchUp()


def test_no_node_goes_to_what_serves_nowhere() -> None:
    """The store may be an old copy: a region must not be set back by it."""
    found = plan(runs("a", "v3-c"), runs("b", "v3-c"))
    assert found.late is None
    assert found.left == dict.fromkeys(
        ("a", "b"), "hello v3-c → v2-b: no other node serves that, so `region up` decides"
    )
    assert plan(runs("a", ready=frozenset()), LATE).late is None


def test_of_two_services_the_one_that_serves_elsewhere_is_brought_along() -> None:
    found = plan(runs("a", shop="v9-z"), runs("c", "v1-a", "v9-z"))
    assert found.late == Late("c", {"hello": ("v1-a", "v2-b")})


def test_after_a_try_it_is_tried_again_later_and_later_and_not_for_ever() -> None:
    assert plan(A, LATE, tries=[97.0]).left["c"].endswith("it was tried a moment ago, and is tried again")
    assert plan(A, LATE, tries=[94.0]).late
    assert plan(A, LATE, tries=[80.0, 91.0]).late is None
    many = [float(n) for n in range(PER_HOUR)]
    assert plan(A, LATE, tries=many, now=3000.0).left["c"].endswith("it was tried 6 times within an hour")
    assert plan(A, LATE, tries=many, now=HOUR + 100).late
    assert [wait_after(n) for n in (1, 2, 3, 20)] == [5.0, 10.0, 20.0, LONGEST_WAIT]


def test_one_that_cannot_be_brought_along_keeps_no_other_from_it() -> None:
    found = plan_catch_up([A, LATE, runs("d", "v1-a")], LIVE, tries={"c": [99.0]}, now=100.0)
    assert (found.late and found.late.node, list(found.left)) == ("d", ["c"])


def test_turned_off_it_only_tells() -> None:
    found = plan(A, LATE, hindrance="healing is turned off")
    assert (found.late, found.left) == (None, {"c": "hello v1-a → v2-b: healing is turned off"})


RELEASES = st.sampled_from(["v1-a", "v2-b", "v3-c", ""])
NODES = st.lists(
    st.builds(
        Runs,
        st.just(""),
        st.dictionaries(st.sampled_from(["hello", "shop"]), RELEASES),
        st.frozensets(st.sampled_from(["hello", "shop"])),
        st.booleans(),
    ),
    max_size=5,
).map(lambda nodes: [Runs(f"n{at}", n.serves, n.ready, n.free) for at, n in enumerate(nodes)])


@given(
    NODES,
    st.dictionaries(st.sampled_from(["hello", "shop"]), st.sampled_from(["v1-a", "v2-b"])),
    st.sets(st.sampled_from(["hello", "shop"])),
    st.dictionaries(st.sampled_from(["n0", "n1", "n2"]), st.lists(st.floats(0, 5000), max_size=8)),
)
def test_whatever_the_nodes_run(
    nodes: list[Runs], live: dict[str, str], open_: set[str], tries: dict[str, list[float]]
) -> None:
    late = plan_catch_up(nodes, live, open_=open_, tries=tries, now=5000.0).late
    if late is None:
        return
    by_name = {node.name: node for node in nodes}
    assert by_name[late.node].free
    assert sum(at > 5000.0 - HOUR for at in tries.get(late.node, ())) < PER_HOUR
    for name, (old, new) in late.services.items():
        assert by_name[late.node].serves[name] == old != new == live[name]
        assert name not in open_
        assert any(name in n.ready and n.serves.get(name) == new for n in nodes if n.name != late.node)
