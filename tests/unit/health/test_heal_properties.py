"""What healing promises holds for every region, however its nodes are and whatever anybody says of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.health.heal import (
    CONTROLLER,
    GONE,
    HOUR,
    PROVIDER,
    Action,
    Healing,
    History,
    Sighting,
    Start,
    View,
    at_once,
    plan_healing,
)
from du_infra.spec import Duration, HealSpec, Percent

NAMES = [f"a-{number}" for number in range(1, 7)]
MACHINES = ["running", "stopped", "frozen", GONE]
SETTINGS = settings(max_examples=200, deadline=None)

specs = st.builds(
    HealSpec,
    enabled=st.sampled_from([True, True, True, False]),
    dead_after=st.sampled_from([Duration("1s"), Duration("30s"), Duration("5m")]),
    max_share=st.sampled_from([Percent(text) for text in ("0%", "34%", "50%", "100%")]),
    per_hour=st.integers(0, 5),
)
views = st.builds(
    View,
    name=st.sampled_from(NAMES),
    machine=st.sampled_from(MACHINES),
    reachable=st.booleans(),
    serving=st.booleans(),
    joined=st.sampled_from([True, True, True, False]),
    going=st.sampled_from([False, False, False, True]),
)
pools = st.lists(views, min_size=1, max_size=6, unique_by=lambda view: view.name)
votes = st.dictionaries(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from([CONTROLLER, PROVIDER, *NAMES]), st.sampled_from([False, False, False, True])),
)
moments = st.floats(0, 2 * HOUR)
histories = st.builds(
    History,
    sightings=st.dictionaries(
        st.sampled_from(NAMES), st.builds(Sighting, st.sampled_from(["dead", "sick"]), st.floats(0, 50))
    ),
    started=st.dictionaries(st.sampled_from(NAMES), st.builds(Start, moments, st.booleans())),
    replaced=st.lists(moments, max_size=6),
    release=st.sampled_from(["", "", "hello is held"]),
)


def replaced(healing: Healing) -> list[Action]:
    return [action for action in healing.actions if action.kind == "replace"]


@SETTINGS
@given(pools, votes, histories, specs, moments)
def test_nobody_is_touched_who_serves_or_whom_fewer_than_two_call_dead(
    pool: list[View], votes: dict[str, dict[str, bool]], history: History, spec: HealSpec, now: float
) -> None:
    by_name = {view.name: view for view in pool}
    for action in plan_healing(pool, votes, history, spec, now).actions:
        view, said = by_name[action.node], votes[action.node]
        assert spec.enabled
        assert not view.serving
        assert not view.going
        assert view.joined
        assert len(said) >= 2
        assert not any(said.values())


@SETTINGS
@given(pools, votes, histories, specs, moments)
def test_nothing_that_exists_is_replaced_unless_a_node_serves_that_stays(
    pool: list[View], votes: dict[str, dict[str, bool]], history: History, spec: HealSpec, now: float
) -> None:
    by_name = {view.name: view for view in pool}
    gone = replaced(plan_healing(pool, votes, history, spec, now))
    if any(by_name[action.node].machine != GONE for action in gone):
        names = {action.node for action in gone}
        assert any(view.serving and not view.going and view.name not in names for view in pool)


@SETTINGS
@given(pools, votes, histories, specs, moments)
def test_share_budget_and_releases_are_respected(
    pool: list[View], votes: dict[str, dict[str, bool]], history: History, spec: HealSpec, now: float
) -> None:
    gone = replaced(plan_healing(pool, votes, history, spec, now))
    going = sum(view.going for view in pool)
    assert not gone or going + len(gone) <= at_once(len(pool) - going, spec)
    assert not gone or len(gone) + sum(now - at < HOUR for at in history.replaced) <= spec.per_hour
    assert not gone or not history.release


@SETTINGS
@given(pools, votes, histories, specs, moments)
def test_what_is_seen_for_the_first_time_waits_and_what_waits_is_told(
    pool: list[View], votes: dict[str, dict[str, bool]], history: History, spec: HealSpec, now: float
) -> None:
    fresh = plan_healing(pool, votes, replace(history, sightings={}), spec, now)
    assert fresh.actions == ()
    later = plan_healing(pool, votes, replace(history, sightings=fresh.sightings), spec, now + 10 * 300.0 + 1)
    told = " ".join((*later.why, *(action.node for action in later.actions)))
    assert all(name in told for name in later.sightings)


@SETTINGS
@given(pools, votes, histories, specs, moments)
def test_started_is_only_what_does_not_run_and_only_once(
    pool: list[View], votes: dict[str, dict[str, bool]], history: History, spec: HealSpec, now: float
) -> None:
    by_name = {view.name: view for view in pool}
    for action in plan_healing(pool, votes, history, spec, now).actions:
        if action.kind == "start":
            assert by_name[action.node].machine in ("stopped", "frozen")
            assert action.node not in history.started


class Land:
    """A region over hours: nodes die and stop at random, some cannot be started; a replacement takes a while."""

    def __init__(self, seed: int, nodes: int) -> None:
        self._dice = random.Random(seed)
        self._next = nodes + 1
        self.views = {f"a-{n}": View(f"a-{n}") for n in range(1, nodes + 1)}
        self.started: dict[str, Start] = {}
        self.replaced: list[float] = []
        self._making: list[float] = []

    def suffer(self, now: float) -> None:
        for name, view in list(self.views.items()):
            if self._dice.random() < 0.004:
                harm = self._dice.choice(MACHINES)
                self.views[name] = replace(view, machine=harm, reachable=False, serving=False)
        for since in [at for at in self._making if now - at >= 20]:
            self._making.remove(since)
            self.views[f"a-{self._next}"] = View(f"a-{self._next}")
            self._next += 1

    def votes(self) -> Iterator[tuple[str, dict[str, bool]]]:
        serving = [view.name for view in self.views.values() if view.serving]
        for view in self.views.values():
            said = {CONTROLLER: view.serving, **{name: view.serving for name in serving if name != view.name}}
            yield view.name, said if view.machine == "running" else {**said, PROVIDER: False}

    def act(self, action: Action, now: float) -> None:
        view = self.views[action.node]
        if action.kind == "replace":
            assert view.machine == GONE or any(other.serving for other in self.views.values())
            self.replaced.append(now)
            self._making.append(now)
            del self.views[action.node]
        elif self._dice.random() < 0.5:
            self.views[action.node] = View(action.node)
        else:
            self.started[action.node] = Start(now, failed=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), specs)
def test_hours_of_bad_luck_never_cost_more_than_the_budget_nor_the_last_one(
    seed: int, nodes: int, spec: HealSpec
) -> None:
    land, sightings = Land(seed, nodes), {}
    for step in range(720):
        now = step * 10.0
        land.suffer(now)
        before = {name for name, view in land.views.items() if view.serving}
        history = History(sightings, land.started, land.replaced)
        healing = plan_healing(list(land.views.values()), dict(land.votes()), history, spec, now)
        for action in healing.actions:
            land.act(action, now)
        assert before <= {name for name, view in land.views.items() if view.serving}
        assert sum(now - at < HOUR for at in land.replaced) <= spec.per_hour
        sightings = healing.sightings
