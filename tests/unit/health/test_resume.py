"""Work that was cut off is gone on with; nothing goes that nobody said yes to, whatever the region looks like."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.health.resume import Piece, Resume, plan_resume

SETTINGS = settings(max_examples=200, deadline=None)
pieces = st.lists(
    st.builds(
        Piece,
        name=st.sampled_from([f"a-{number}" for number in range(1, 7)]),
        state=st.sampled_from(["", "", "leaving", "replaced", "returning"]),
        joined=st.booleans(),
        configured=st.booleans(),
        complete=st.booleans(),
        foreign=st.sampled_from([False, False, False, True]),
    ),
    max_size=6,
    unique_by=lambda piece: piece.name,
)
scales = st.none() | st.integers(1, 6)


def plan(*pool: Piece, scaled: int | None = None, written: int = 2, hindrance: str = "") -> Resume:
    return plan_resume(pool, scaled=scaled, written=written, hindrance=hindrance)


def test_a_region_with_nothing_cut_off_is_left_alone() -> None:
    assert plan(Piece("a-1"), Piece("a-2")) == Resume()
    assert plan(Piece("a-1"), Piece("a-2"), scaled=2, hindrance="a release") == Resume()


def test_what_fleet_yaml_has_come_to_say_is_nobodys_order() -> None:
    assert plan(Piece("a-1"), Piece("a-2"), written=5) == Resume()
    assert plan(Piece("a-1"), Piece("a-2"), written=1) == Resume()


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        (Piece("a-2", "leaving"), "on its way out"),
        (Piece("a-2", "replaced"), "another is to take its place"),
        (Piece("a-2", "returning"), "take requests again"),
        (Piece("a-2", joined=False), "being made"),
        (Piece("a-2", configured=False), "not configured yet"),
        (Piece("a-2", complete=False), "does not run yet"),
    ],
)
def test_each_trace_of_a_cut_off_order_is_seen_and_told(piece: Piece, words: str) -> None:
    found = plan(Piece("a-1"), piece)
    assert list(found.work) == ["a-2"]
    assert words in found.work["a-2"]
    assert not found.waits


@pytest.mark.parametrize(
    ("pool", "nodes"),
    [
        ((Piece("a-1"), Piece("a-2", "replaced")), 2),  # nothing was made yet
        ((Piece("a-1"), Piece("a-2", "replaced"), Piece("a-3", joined=False)), 2),
        ((Piece("a-1", "replaced"),), 1),
        ((Piece("a-1"), Piece("a-2", "leaving")), 1),
    ],
)
def test_a_region_has_as_many_nodes_afterwards_as_were_said(pool: tuple[Piece, ...], nodes: int) -> None:
    assert plan(*pool).nodes == nodes


@pytest.mark.parametrize("scaled", [1, 3])
def test_a_scale_whose_nodes_were_not_marked_yet_goes_on(scaled: int) -> None:
    found = plan(Piece("a-1"), Piece("a-2"), scaled=scaled)
    assert (found.nodes, list(found.work)) == (scaled, [""])


def test_a_first_release_that_was_cut_off_goes_on() -> None:
    found = plan_resume([Piece("a-1")], scaled=None, written=1, first=["hello"])
    assert found == Resume(1, {"": "the first release of hello was cut off"})


def test_a_node_that_left_for_somebody_elses_terraform_is_not_destroyed() -> None:
    found = plan(Piece("a-1"), Piece("a-2", "leaving", foreign=True), Piece("a-3", "returning"))
    assert "a-2 left for somebody" in found.waits


@SETTINGS
@given(pieces, scales, st.integers(1, 6), st.sampled_from(["", "a release is held"]))
def test_nothing_is_made_or_destroyed_that_nobody_asked_for(
    pool: Sequence[Piece], scaled: int | None, written: int, hindrance: str
) -> None:
    found = plan_resume(pool, scaled=scaled, written=written, hindrance=hindrance)
    if found.waits or not found.work:
        return
    stay, replaced = sum(piece.staying for piece in pool), sum(piece.state == "replaced" for piece in pool)
    assert not hindrance
    assert found.nodes >= 1
    assert not any(piece.foreign for piece in pool)
    if scaled is None:
        assert stay <= found.nodes <= stay + replaced
    else:
        assert found.nodes == scaled


@SETTINGS
@given(pieces, scales, st.integers(1, 6), st.sampled_from(["", "a release is held"]))
def test_every_mark_is_told_of(pool: Sequence[Piece], scaled: int | None, written: int, hindrance: str) -> None:
    found = plan_resume(pool, scaled=scaled, written=written, hindrance=hindrance)
    assert {piece.name for piece in pool if piece.state} <= found.work.keys()
    assert not hindrance or not found.work or found.waits
