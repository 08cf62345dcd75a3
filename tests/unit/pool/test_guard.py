"""The plan guard lets nothing be destroyed that was not named."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.engines.terraform.plan import Change, Kind
from du_infra.errors import Refused
from du_infra.pool.guard import guard

names = st.sampled_from([f"demo-home-{n}" for n in range(1, 6)])
changes = st.builds(
    lambda kind, name: Change(f'module.pool.lxd_container.node["{name}"]', kind, name),
    st.sampled_from(get_args(Kind)),
    names,
)


@given(st.lists(changes), st.frozensets(names))
def test_a_plan_passes_exactly_when_every_loss_is_named(plan: list[Change], named: frozenset[str]) -> None:
    lost = {change.name for change in plan if change.kind in ("delete", "replace")}
    if lost <= named:
        guard(plan, named)
    else:
        with pytest.raises(Refused) as refusal:
            guard(plan, named)
        for name in lost - named:
            assert f'lxd_container.node["{name}"]' in refusal.value.detail
        for name in lost & named:
            assert f'"{name}"' not in refusal.value.detail


def test_a_refusal_says_what_is_lost_and_why() -> None:
    change = Change('lxd_container.node["a-1"]', "replace", "a-1", "image cannot be changed in place")
    with pytest.raises(Refused) as refusal:
        guard([change], frozenset())
    assert refusal.value.where == "a-1"
    assert refusal.value.detail == 'replace lxd_container.node["a-1"]: image cannot be changed in place'
    assert refusal.value.exit_code == 4


def test_naming_one_node_does_not_free_another() -> None:
    plan = [Change('x.node["a-1"]', "delete", "a-1"), Change('x.node["a-2"]', "delete", "a-2")]
    with pytest.raises(Refused) as refusal:
        guard(plan, frozenset({"a-1"}))
    assert refusal.value.where == "a-2"
