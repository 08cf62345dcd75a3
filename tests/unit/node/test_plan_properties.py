"""Whatever happens to a node, the planner keeps its promises (World checks them after each action)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from du_node.plan import plan
from du_node.state import SLOTS, Wanted
from tests.unit.node.world import World, service, wanted

NAMES = ["a", "b"]
RELEASES = ["r1", "r2", "r3"]
wishes = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(RELEASES), max_size=2)


class Node(RuleBasedStateMachine):
    """A node whose controller changes its mind, whose applies are cut off, and on which things die."""

    @initialize(wish=wishes)
    def begin(self, wish: dict[str, str]) -> None:
        self.world = World()
        self.want: Wanted = wanted()
        self.ask(wish)

    @rule(wish=wishes)
    def ask(self, wish: dict[str, str]) -> None:
        self.want = wanted(*(service(name, release) for name, release in sorted(wish.items())))

    @rule(cut=st.integers(0, 15))
    def apply_and_be_killed(self, cut: int) -> None:
        self.world.converge(self.want, cut)

    @rule()
    def apply(self) -> None:
        failed = self.world.converge(self.want)
        assert plan(self.want, self.world.observe(), keep=failed) == ()

    @rule(name=st.sampled_from(NAMES), release=st.sampled_from(RELEASES), cut=st.integers(2, 8))
    def a_new_slot_dies_in_the_middle_of_its_switch(self, name: str, release: str, cut: int) -> None:
        self.ask({name: release})
        self.world.converge(self.want, cut)
        pair = self.world.routed(name)
        if pair and pair.backup:
            self.a_container_dies(name, pair.primary)

    @rule(name=st.sampled_from(NAMES), slot=st.sampled_from(SLOTS))
    def a_container_dies(self, name: str, slot: str) -> None:
        found = self.world.slots.get((name, slot))
        if found:
            self.world.slots[name, slot] = replace(found, running=False)

    @rule(name=st.sampled_from(NAMES), slot=st.sampled_from(SLOTS))
    def somebody_removes_a_container(self, name: str, slot: str) -> None:
        self.world.slots.pop((name, slot), None)

    @rule()
    def the_gateway_dies(self) -> None:
        self.world.running = False
        self.world.draining.clear()

    @precondition(lambda self: self.world.running)
    @rule()
    def the_gateway_loses_its_configuration(self) -> None:
        self.world.live = self.world.disk = None
        self.world.draining.clear()

    @precondition(lambda self: self.world.running and self.world.live is not None)
    @rule()
    def the_stored_configuration_is_lost(self) -> None:
        self.world.disk = None

    @rule()
    def the_node_reboots(self) -> None:
        self.world.slots = {key: replace(c, running=False) for key, c in self.world.slots.items()}
        self.world.running, self.world.live, self.world.draining = True, self.world.disk, set()

    @rule(release=st.sampled_from(RELEASES))
    def a_release_turns_bad(self, release: str) -> None:
        self.world.bad.add(release)

    @rule(release=st.sampled_from(RELEASES))
    def a_release_turns_good(self, release: str) -> None:
        self.world.bad.discard(release)

    @invariant()
    def two_slots_at_most(self) -> None:
        assert all(slot in SLOTS for _, slot in self.world.slots)

    def teardown(self) -> None:
        """From wherever it is: one apply, and exactly what is wanted is served, by one slot each."""
        self.world.bad.clear()
        assert self.world.converge(self.want) == frozenset()
        assert plan(self.want, self.world.observe()) == ()
        live = {e.service: e for e in self.world.live or ()}
        assert live.keys() == {s.name for s in self.want.services}
        for item in self.want.services:
            running = [c for (name, _), c in self.world.slots.items() if name == item.name and c.running]
            assert [c.release for c in running] == [item.release]
            assert live[item.name].slots == (running[0].slot,)


Node.TestCase.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
TestNode = Node.TestCase
