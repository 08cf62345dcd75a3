"""Addresses that cannot stand in a record hold up nobody else, and a region that got another name keeps its share."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.traffic.aim import Aim
from du_infra.traffic.check import fits
from du_infra.traffic.plan import Plan
from du_infra.traffic.state import Capabilities
from tests.unit.traffic.bed import DOWN, NAME, UP, World, address

NAMES = ["a", "b", "c", "d"]
ADDRESSES = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:DB8::2", "0.0.0.0", "224.0.0.1", "nowhere", ""]


def accepted(plan: Plan) -> bool:
    """Whether a backend takes what is to be written."""
    if plan.record is not None:
        fits(plan.record, Capabilities(True, False, True, 1), name=NAME, backend="gdnsd", most=64)
    return True


def renamed(world: World, old: str, new: str) -> None:
    """fleet.yaml calls a region by another name; its address stays."""
    ends, weights = dict(world.aim.addresses), dict(world.aim.weights)
    ends[new], weights[new] = ends.pop(old), weights.pop(old)
    world.aim = Aim(NAME, 30, weights, ends)
    world.health[new] = world.health.pop(old)


def test_a_region_that_is_called_otherwise_keeps_its_share() -> None:
    world = World({"home": 70, "away": 30})
    world.turn()
    renamed(world, "home", "house")
    plan = world.turn()
    assert accepted(plan)
    assert world.answers() == {"away": 30, "house": 70}
    assert all(accepted(one) for one in world.run(3600))
    assert world.answers() == {"away": 30, "house": 70}


def test_a_region_that_is_called_otherwise_while_it_is_out_stays_out() -> None:
    world = World({"home": 70, "away": 30})
    world.turn()
    world.health["home"] = DOWN
    world.turn()
    renamed(world, "home", "house")
    assert accepted(world.turn())
    assert world.answers() == {"away": 100}
    world.health["house"] = UP
    assert all(accepted(one) for one in world.run(60))
    assert world.answers() == {"away": 30, "house": 70}


def test_what_an_earlier_pass_remembered_and_no_backend_took_is_mended() -> None:
    world = World({"home": 70, "away": 30})
    world.turn()
    renamed(world, "home", "house")
    assert world.memory is not None
    ends = dict(world.memory.record.endpoints)
    ends["house"] = replace(ends["home"], weight=0)  # both have the address
    base = {**world.memory.base, "house": 0}
    world.memory = replace(world.memory, record=replace(world.memory.record, endpoints=ends), base=base)
    assert accepted(world.turn())
    assert world.answers() == {"away": 30, "house": 70}


def test_an_address_that_cannot_be_is_left_out_and_said_and_a_dead_region_goes_all_the_same() -> None:
    for wrong in ("0.0.0.0", "2001:db8::1", address("away")):
        world = World({"home": 50, "away": 30, "third": 20})
        world.turn()
        world.aim = replace(
            world.aim,
            weights={**world.aim.weights, "fourth": 10},
            addresses={**world.aim.addresses, "fourth": wrong},
        )
        world.health |= {"home": DOWN, "fourth": UP}
        plan = world.turn()
        assert accepted(plan)
        assert world.answers() == {"away": 60, "third": 40}
        assert any(note.startswith("fourth is left out") for note in plan.notes), plan.notes


def test_a_new_address_that_cannot_be_leaves_the_old_one() -> None:
    world = World({"home": 50, "away": 50})
    world.turn()
    world.aim = replace(world.aim, addresses={**world.aim.addresses, "away": "0.0.0.0"})
    plan = world.turn()
    assert plan.record is None
    assert any(note.startswith("away stays at") for note in plan.notes)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(NAMES), st.sampled_from(ADDRESSES)),
            st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100)),
            st.sets(st.sampled_from(NAMES)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_fleet_yaml_says_of_addresses_a_backend_takes_what_is_decided(
    story: list[tuple[dict[str, str], dict[str, int], set[str]]],
) -> None:
    world = World({"a": 50, "b": 50})
    for addresses, weights, down in story:
        known = {name: one for name, one in addresses.items() if one}
        world.aim = Aim(NAME, 30, {name: weights.get(name, 0) for name in NAMES}, known)
        world.health = {name: DOWN if name in down else UP for name in NAMES}
        assert accepted(world.turn(400.0))
        assert accepted(world.turn())
