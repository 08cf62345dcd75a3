"""A node's plan follows its peers: whoever can take requests is in the table that the gateway gets."""

from __future__ import annotations

from dataclasses import replace

from du_node.actions import SetRoutes
from du_node.plan import plan
from du_node.state import Observed
from du_node.table import Peer, with_peers
from tests.unit.node.world import World, service, wanted

V1, V2 = service(release="r1"), service(release="r2")
B = Peer("demo-home-2", "10.0.0.2")


def serving() -> tuple[World, Observed]:
    world = World()
    assert world.apply(wanted(V1)) == frozenset()
    return world, world.observe()


def test_a_peer_that_comes_or_goes_changes_the_table_and_nothing_else() -> None:
    world, seen = serving()
    assert plan(wanted(V1), seen) == ()
    (came,) = plan(wanted(V1), replace(seen, shared=True, peers={"hello": (B,)}))
    assert isinstance(came, SetRoutes)
    assert [(item.peers, item.shared) for item in came.table] == [((B,), True)]
    world.do(came, {"hello"})
    again = world.observe()
    assert plan(wanted(V1), replace(again, shared=True, peers={"hello": (B,)})) == ()
    (gone,) = plan(wanted(V1), replace(again, shared=True))
    assert isinstance(gone, SetRoutes)
    assert [(item.peers, item.shared) for item in gone.table] == [((), True)]


def test_every_table_of_a_release_has_the_peers() -> None:
    _, seen = serving()
    steps = plan(wanted(V2), replace(seen, shared=True, peers={"hello": (B,)}))
    tables = [step.table for step in steps if isinstance(step, SetRoutes)]
    assert len(tables) == 2
    assert all(table == with_peers(table, {"hello": (B,)}, shared=True) for table in tables)
