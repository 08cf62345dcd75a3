"""Whatever happens to a node, the planner keeps its promises (World checks them after each action)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from du_node.plan import plan
from du_node.rollout import Rollout
from du_node.state import SLOTS, Service, Wanted, other
from tests.unit.node.world import AT_THE_VERDICT, World, service, wanted

NAMES = ["a", "b"]
RELEASES = ["r1", "r2", "r3"]
ways = st.builds(
    Rollout,
    hold=st.booleans(),
    canary=st.sampled_from([(), (5,), (5, 25), (10, 50, 90)]),
    sticky=st.booleans(),
    observe=st.sampled_from([0.0, 30.0]),
    warm_up=st.sampled_from(["", "/warm"]),
    cut_after=st.sampled_from([None, 0.0, 30.0]),
)
wishes = st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sampled_from(RELEASES), ways), max_size=2)
kills = st.one_of(st.none(), st.integers(0, 25))


class Node(RuleBasedStateMachine):
    """A node whose controller changes its mind, whose applies are cut off, and on which things die."""

    @initialize(wish=wishes, deployed=st.booleans())
    def begin(self, wish: dict[str, tuple[str, Rollout]], deployed: bool) -> None:
        self.world = World()
        self.want: Wanted = wanted()
        self.ask(wish)
        if deployed:
            assert self.world.apply(self.want) == frozenset()

    @rule(wish=wishes)
    def ask(self, wish: dict[str, tuple[str, Rollout]]) -> None:
        self.want = wanted(*(service(name, release, rollout=how) for name, (release, how) in sorted(wish.items())))

    @rule(how=ways)
    def ask_for_the_same_in_another_way(self, how: Rollout) -> None:
        """Promote, hold, watch longer: the releases stay."""
        self.want = wanted(*(replace(item, rollout=how) for item in self.want.services))

    @rule(kill_after=kills)
    def apply(self, kill_after: int | None) -> None:
        before = {item.name: release for item in self.want.services if (release := self.well(item))}
        calm = kill_after is None and not self.world.faults
        failed = self.world.apply(self.want, kill_after)
        self.see_the_end(kill_after, failed)
        for item in self.want.services:
            if calm and item.name in failed and item.name in before:
                assert self.well(item) == before[item.name], self.world.log
                assert not any(c.serves(item) for c in self.world.slots.values() if c.service == item.name)

    def well(self, item: Service) -> str:
        """The release that has all requests of the service, is ready, and is not the wanted one; "" if none is so."""
        pair = self.world.routed(item.name)
        found = self.world.slots.get((item.name, pair.primary)) if pair else None
        alone = pair is not None and pair.slots == (pair.primary,)
        return found.release if found and alone and self.world.is_ready(found) and not found.serves(item) else ""

    @precondition(lambda self: self.world.asked is not None)
    @rule(kill_after=kills)
    def heal(self, kill_after: int | None) -> None:
        repairs = self.world.result.get("ended")
        failed = self.world.heal(kill_after)
        if self.world.asked == self.want and not repairs:
            self.see_the_end(kill_after, failed)

    def see_the_end(self, kill_after: int | None, failed: frozenset[str]) -> None:
        """An end is an end; and what failed is gone, with its predecessor routed alone."""
        if kill_after is not None or not self.world.result.get("ended"):
            return
        assert plan(self.want, self.world.observe(), keep=failed) == (), self.world.log
        for item in self.want.services:
            pair = self.world.routed(item.name)
            if item.name in failed and pair and self.world.served(item.name):
                assert pair.slots == (pair.primary,), self.world.log

    @rule(
        name=st.sampled_from(NAMES),
        release=st.sampled_from(RELEASES),
        how=ways,
        kill_after=st.one_of(st.just(AT_THE_VERDICT), st.integers(3, 18)),
        poor=st.booleans(),
        dies=st.sampled_from(["", "old", "new"]),
    )
    def a_release_is_cut_off_and_a_slot_dies(
        self, name: str, release: str, how: Rollout, kill_after: int, poor: bool, dies: str
    ) -> None:
        """From a node on which every service serves: what is most worth trying, and rare by chance alone."""
        self.world.apply(self.want)
        if poor:
            self.world.poor.add(release)
        self.want = wanted(
            *(item for item in self.want.services if item.name != name), service(name, release, rollout=how)
        )
        self.world.apply(self.want, kill_after)
        pair = self.world.routed(name)
        if pair and len(pair.slots) == 2:
            new = pair.canary or pair.preview or pair.primary
            if dies:
                self.a_container_dies(name, new if dies == "new" else other(new))
        self.apply(None)

    @rule(name=st.sampled_from(NAMES), slot=st.sampled_from(SLOTS))
    def a_container_dies(self, name: str, slot: str) -> None:
        found = self.world.slots.get((name, slot))
        if found:
            self.world.slots[name, slot] = replace(found, running=False)

    @rule(name=st.sampled_from(NAMES), slot=st.sampled_from(SLOTS))
    def somebody_removes_a_container(self, name: str, slot: str) -> None:
        self.world.slots.pop((name, slot), None)

    @rule(name=st.sampled_from(NAMES), slot=st.sampled_from(SLOTS))
    def a_long_connection_is_opened(self, name: str, slot: str) -> None:
        pair = self.world.routed(name)
        if pair and slot in (pair.primary, pair.canary):
            self.world.long.add((name, slot))

    @rule()
    def the_connections_end(self) -> None:
        self.world.long.clear()
        self.world.draining.clear()

    @rule(count=st.integers(1, 4))
    def tools_fail_for_a_while(self, count: int) -> None:
        self.world.faults = count

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
        self.world.long.clear()

    @rule(release=st.sampled_from(RELEASES))
    def a_release_turns_bad(self, release: str) -> None:
        self.world.bad.add(release)

    @rule(release=st.sampled_from(RELEASES))
    def a_release_does_badly_when_watched(self, release: str) -> None:
        self.world.poor.add(release)

    @rule(release=st.sampled_from(RELEASES))
    def a_release_turns_good(self, release: str) -> None:
        self.world.bad.discard(release)
        self.world.poor.discard(release)

    @invariant()
    def two_slots_at_most(self) -> None:
        assert all(slot in SLOTS for _, slot in self.world.slots)

    def teardown(self) -> None:
        """From wherever it is: one apply without a hold, and exactly what is wanted is served, by one slot each."""
        self.world.bad.clear()
        self.world.poor.clear()
        self.world.long.clear()
        self.world.draining.clear()
        self.world.faults = 0
        self.want = wanted(*(replace(item, rollout=replace(item.rollout, hold=False)) for item in self.want.services))
        self.world.result = {}
        assert self.world.apply(self.want) == frozenset()
        assert plan(self.want, self.world.observe()) == ()
        live = {e.service: e for e in self.world.live or ()}
        assert live.keys() == {s.name for s in self.want.services}
        for item in self.want.services:
            running = [c for (name, _), c in self.world.slots.items() if name == item.name and c.running]
            assert [c.release for c in running] == [item.release], self.world.log
            assert live[item.name].slots == (running[0].slot,)


Node.TestCase.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
TestNode = Node.TestCase
