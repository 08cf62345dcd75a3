"""A scale's word holds until fleet.yaml's pool says something new."""

from __future__ import annotations

import pytest

from du_infra.errors import Refused, SpecError
from du_infra.pool.wish import Scaled, check, mark_of, nodes_wanted, words
from du_infra.spec import PoolSpec
from du_infra.spec.values import Size


def test_without_a_scale_the_file_decides() -> None:
    assert nodes_wanted(PoolSpec(), None) == 1
    assert nodes_wanted(PoolSpec(nodes=3), None) == 3
    assert nodes_wanted(PoolSpec(min=2, max=5), None) == 2


def test_a_scale_holds_until_the_number_in_the_file_changes() -> None:
    pool = PoolSpec(nodes=2)
    scaled = Scaled(4, mark_of(pool), "ann@desk")
    assert nodes_wanted(pool, scaled) == 4
    assert "scaled by ann@desk over fleet.yaml's 2" in words(pool, scaled)
    assert nodes_wanted(PoolSpec(nodes=3), scaled) == 3
    assert words(PoolSpec(nodes=3), scaled) == ""


def test_another_size_is_no_other_number() -> None:
    scaled = Scaled(4, mark_of(PoolSpec(nodes=2)))
    assert nodes_wanted(PoolSpec(nodes=2, size=Size("2c2g")), scaled) == 4


def test_a_scale_to_what_the_file_says_needs_no_words() -> None:
    pool = PoolSpec(nodes=2)
    assert words(pool, Scaled(2, mark_of(pool))) == ""


@pytest.mark.parametrize("nodes", [1, 6])
def test_outside_of_min_and_max_is_refused(nodes: int) -> None:
    with pytest.raises(Refused, match="between 2 and 5"):
        check("home", PoolSpec(min=2, max=5), nodes)


@pytest.mark.parametrize("nodes", [0, -3])
def test_a_region_of_no_nodes_is_no_scale(nodes: int) -> None:
    with pytest.raises(SpecError, match="at least 1 node") as caught:
        check("home", PoolSpec(), nodes)
    assert "region down home" in caught.value.todo
