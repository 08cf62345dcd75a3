"""A cluster that suffers, a controller that is killed, and a mind that changes: it ends as wanted, or in words.

World checks each action before it is done: quorum, names, the order of leaving, versions, the last server.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.cluster.plan import plan_membership
from tests.unit.cluster.chaos import Chaos

SETTINGS = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32)
NO_BACKUP = "every server is lost and there is no backup: the region has to be made anew"


def stand(chaos: Chaos) -> None:
    """All is as wanted, in truth and not only by the planner's word."""
    world, told = chaos.world, "\n".join(chaos.world.log[-40:])
    assert plan_membership(world.wish, world.observe()).done, told
    assert world.api(), told
    members = world.members
    assert all(members[name].node == "ready" and world.runs(members[name]) for name in world.wish.nodes), told
    assert {members[name].version for name in world.wish.nodes} == {world.wish.version}, told
    assert all(m.shared or m.name in world.wish.nodes for m in members.values()), told
    if world.datastore == "etcd":
        assert len(world.voters()) in (1, 3), told


@SETTINGS
@given(seeds, st.booleans())
def test_whatever_happens_to_agents_and_services_it_ends_as_wanted(seed: int, external: bool) -> None:
    chaos = Chaos(seed, external=external, loses_servers=False)
    chaos.suffer(40)
    chaos.calm()
    stand(chaos)


@SETTINGS
@given(seeds, st.booleans())
def test_whatever_happens_to_servers_it_ends_as_wanted_or_says_that_all_is_lost(seed: int, external: bool) -> None:
    chaos = Chaos(seed, external=external)
    chaos.suffer(40)
    turn = chaos.calm()
    if turn.waits != (NO_BACKUP,):
        stand(chaos)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_the_move_to_etcd_that_never_works_ends_with_one_server_on_sqlite(seed: int) -> None:
    chaos = Chaos(seed, loses_servers=False)
    chaos.world.migrates = False
    chaos.suffer(20)
    for _ in range(60):
        chaos.recovery()
        chaos.the_pool_replaces_the_dead()
        chaos.turn(lucky=True)
        chaos.world.tick()
    assert chaos.world.api()
    if chaos.world.migration:
        assert chaos.world.migration == "undone"
        assert chaos.world.datastore == "sqlite"


@pytest.mark.parametrize("servers", [1, 3])
def test_a_region_goes_from_one_node_to_three_and_back(servers: int) -> None:

    chaos = Chaos(1)
    chaos.world.wish = replace(chaos.world.wish, servers=servers)  # type: ignore[arg-type]
    for nodes in (1, 2, 3, 4, 3, 2, 1):
        while len(chaos.world.wish.nodes) < nodes:
            chaos.a_node_more()
        while len(chaos.world.wish.nodes) > nodes:
            chaos.a_node_less()
        chaos.calm()
        stand(chaos)
        assert sum(m.role == "server" for m in chaos.world.members.values()) == (servers if nodes >= 3 else 1)
