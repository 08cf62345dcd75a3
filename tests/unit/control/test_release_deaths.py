"""Nodes and controllers die at any step of a release, and nobody but the control loop is there to end it.

The nodes are in memory; the loop's passes are made of its own planners and the engine, healing of the two things that
matter here: a node is lost after a while, and it is replaced only while no release is open.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.control.release.cuts import Pace
from du_infra.control.release.desk import Desk
from du_infra.control.release.engine import Engine
from du_infra.progress import silent
from du_infra.release.aim import Aim, Kept, live_of
from du_infra.release.catch_up import Runs, plan_catch_up
from du_infra.release.cut_off import Mate, plan_cut_off
from du_infra.release.plan import entry_of, wanted_of
from du_infra.release.rollout import Rules
from du_infra.release.state import Rollout
from tests.unit.control.test_release_engine import RECORDS, WAY, died, record
from tests.unit.release.fake_nodes import BAD, FakeNode, FakeNodes, FakeTable, Killed

PACE = Pace(lost=0.05, look=0.001, doubt=0.005, gateway=0.05, request=0.002)
FOR_EVER = 10**9
LOST_AFTER = 3
"""Passes after which a dead node is lost."""
PASSES = 40


class Mortal(FakeNodes):
    """Nodes that may also die for good, or for some passes of the loop: ``deaths`` left, each until pass ``back``."""

    def __init__(self, nodes: Sequence[FakeNode], *, deaths: int, away: int, faults: int, seed: int) -> None:
        super().__init__(nodes, faults=faults, seed=seed)
        self.deaths, self.away = deaths, away
        self.dead: dict[str, int] = {}
        self.now = 0

    def _look(self, node: FakeNode) -> object:  # type: ignore[override]
        self._perhaps_dies(node)
        return super()._look(node)

    def _begin(self, node: FakeNode, wanted: dict[str, object], now: bool) -> None:
        self._perhaps_dies(node)
        super()._begin(node, wanted, now)

    def _perhaps_dies(self, node: FakeNode) -> None:
        others = [one for one in self.nodes if one not in self.dead and one != node.name]
        if self.deaths and others and node.name not in self.dead and self._random.random() < 0.15:
            self.deaths -= 1
            self.dead[node.name] = self.now
            node.silent = FOR_EVER

    def come_back(self) -> None:
        """Those that are not gone for good and were away for long enough boot, and finish what was cut off."""
        for name, since in list(self.dead.items()):
            if self.away and self.now - since >= self.away:
                del self.dead[name]
                self.nodes[name].silent = 1


class World:
    """A region under the control loop, whose controller may be killed in any pass."""

    def __init__(self, count: int, deaths: int, away: int, faults: int, seed: int, rules: Rules) -> None:
        made = [FakeNode(f"n{number}") for number in range(1, count + 1)]
        self.nodes = Mortal(made, deaths=deaths, away=away, faults=faults, seed=seed)
        self.table, self.rules, self.made = FakeTable(), rules, count
        for node in self.nodes.nodes.values():
            self._give(node, "v1-a")
        done = self.table.begin(Rollout(0, "r", "hello", "up", "v1-a", "", "ann", {}, 1.0))
        self.table.end(done.id, "done")
        self.nodes.killable = threading.get_ident()
        self.table.on_get = self.nodes.maybe_kill

    @property
    def live(self) -> str:
        return live_of(sorted(self.table.rows.values(), key=lambda row: -row.id))["hello"]

    @property
    def row(self) -> Rollout:
        return self.table.rows[2]

    @property
    def lost(self) -> set[str]:
        return {name for name, since in self.nodes.dead.items() if self.nodes.now - since >= LOST_AFTER}

    def start(self, release: str) -> None:
        options = {**WAY, "max_unavailable": self.rules.max_unavailable}
        self.table.begin(Rollout(0, "r", "hello", "start", release, "v1-a", "ann", options, 1.0))
        self.run(())

    def pass_once(self) -> None:
        """What the loop does in one pass; the order is that of control.loop."""
        self.nodes.now += 1
        self.nodes.come_back()
        going = [one for one in plan_cut_off([self.row], (), self._mates()) if not one.waits]
        if going:
            self.run(going[0].lost)
        elif self.lost and not self.row.open:
            self._replace()
        else:
            self._catch_up()

    def run(self, lost: Sequence[str]) -> None:
        aim = self._aim(self.row.release)
        self._engine(aim, self.rules, [self.row], list(self.nodes.nodes), lost)

    def _engine(
        self, aim: Aim, rules: Rules, rows: Sequence[Rollout], order: Sequence[str], lost: Sequence[str]
    ) -> None:
        desk = Desk(self.nodes, self.table, silent, pace=PACE)  # type: ignore[arg-type]
        try:
            Engine(desk, aim, rules, rows, order, lost=lost).run()
        except Killed:
            died()

    def _aim(self, release: str) -> Aim:
        kept = Kept(RECORDS, {"hello": self.live})
        rollouts = {"hello": {**WAY["rollout"], "hold": False}}
        return Aim("f", "r", {"hello": record(release)}, {"hello": record("v1-a")}, rollouts, kept)

    def _mates(self) -> list[Mate]:
        return [
            Mate(name, answers=name not in self.nodes.dead, lost=name in self.lost, well=name not in self.nodes.dead)
            for name in self.nodes.nodes
        ]

    def _replace(self) -> None:
        """Under another name, with the release that is live."""
        for name in self.lost:
            del self.nodes.nodes[name], self.nodes.dead[name]
            self.made += 1
            fresh = self.nodes.nodes[f"n{self.made}"] = FakeNode(f"n{self.made}")
            self._give(fresh, self.live)

    def _catch_up(self) -> None:
        nodes = [
            Runs(
                node.name, dict(node.serves), frozenset(node.serves), node.name not in self.nodes.dead and not node.work
            )
            for node in self.nodes.nodes.values()
        ]
        late = plan_catch_up(nodes, {"hello": self.live}, tries={}, now=0.0).late
        if late:
            aim = Aim("f", "r", {"hello": record(self.live)}, kept=Kept(RECORDS, {"hello": self.live}))
            self._engine(aim, Rules(returnable=False), [], [late.node], ())

    def _give(self, node: FakeNode, release: str) -> None:
        node.serves = {"hello": release}
        node.take(wanted_of("f", "r", [entry_of(record(release))]))


@settings(max_examples=80, deadline=None)
@given(
    count=st.integers(2, 4),
    batch=st.integers(1, 2),
    unavailable=st.integers(0, 1),
    deaths=st.integers(0, 2),
    away=st.sampled_from([0, 1, 2, 6]),
    faults=st.integers(0, 4),
    seed=st.integers(0, 2**32),
    release=st.sampled_from(["v2-b", BAD]),
)
def test_any_node_and_the_controller_die_at_any_step_and_the_loop_ends_it_in_one_version(
    count: int, batch: int, unavailable: int, deaths: int, away: int, faults: int, seed: int, release: str
) -> None:
    """``away``: after how many passes a dead node comes back; 0 for never."""
    world = World(count, deaths, away, faults, seed, Rules(batch=batch, max_unavailable=unavailable))
    world.start(release)
    for _ in range(PASSES):
        world.pass_once()
    world.nodes.deaths = world.nodes.faults = 0
    for _ in range(PASSES):
        world.pass_once()
    assert not world.row.open
    assert not world.nodes.dead
    assert len(world.nodes.nodes) == count
    assert world.live == ("v2-b" if world.row.state == "done" else "v1-a")
    assert {node.serves["hello"] for node in world.nodes.nodes.values()} == {world.live}
    assert not (release == BAD and world.row.state == "done")


def test_a_node_that_dies_for_good_in_the_second_batch_is_left_out_and_replaced() -> None:
    world = World(3, 0, 0, 0, 0, Rules())
    second = world.nodes.nodes["n2"]
    take = second.take

    def dies(wanted: dict[str, object], looks: int = 0) -> None:
        take(wanted, looks)
        world.nodes.dead["n2"], second.silent = 0, FOR_EVER

    second.take = dies  # type: ignore[method-assign]
    world.start("v2-b")
    world.run(())
    assert (world.row.state, world.row.direction) == ("running", "back")
    for _ in range(LOST_AFTER):
        world.pass_once()
    assert (world.row.state, world.row.detail.splitlines()[-1]) == ("rolled-back", "nobody waited for n2")
    world.pass_once()
    assert {node.name: node.serves["hello"] for node in world.nodes.nodes.values()} == dict.fromkeys(
        ("n1", "n3", "n4"), "v1-a"
    )


def test_a_node_that_was_passed_over_comes_back_and_is_brought_along() -> None:
    world = World(3, 0, 2, 0, 0, Rules(max_unavailable=1))
    world.nodes.dead["n3"], world.nodes.nodes["n3"].silent = 0, FOR_EVER
    world.start("v2-b")
    assert (world.row.state, world.nodes.nodes["n3"].serves) == ("done", {"hello": "v1-a"})
    for _ in range(4):
        world.pass_once()
    assert {node.serves["hello"] for node in world.nodes.nodes.values()} == {"v2-b"}
    assert len(world.nodes.nodes) == 3
