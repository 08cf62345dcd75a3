"""Whatever is there, every region gets one controller, loads are even, and nothing moves that need not."""

from __future__ import annotations

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from du_infra.controllers.plan import Seen, fair, to_give, to_take

NAMES = [f"r{number}" for number in range(24)]
WHO = ["a", "b", "c", "d", "e"]


@st.composite
def worlds(draw: st.DrawFn) -> Seen:
    """Any controllers, each with any regions; any of which may be held by anybody, living or dead."""
    living = draw(st.sets(st.sampled_from(WHO)))
    minds = {who: frozenset(draw(st.sets(st.sampled_from(NAMES)))) for who in sorted(living)}
    holds = draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(WHO)))
    return Seen(minds, holds)


@st.composite
def alike(draw: st.DrawFn, least: int = 1) -> tuple[list[str], list[str]]:
    """Controllers that all mind the same regions."""
    living = sorted(draw(st.sets(st.sampled_from(WHO), min_size=least)))
    return living, sorted(draw(st.sets(st.sampled_from(NAMES))))


def seen(living: list[str], names: list[str], holds: dict[str, str]) -> Seen:
    return Seen({who: frozenset(names) for who in living}, holds)


@given(worlds())
def test_each_region_that_anybody_would_mind_has_one_who_would(world: Seen) -> None:
    target = fair(world)
    assert target.keys() == {name for names in world.minds.values() for name in names}
    assert all(name in world.minds[who] for name, who in target.items())


@given(worlds())
def test_nobody_has_two_more_than_one_who_would_mind_one_of_them(world: Seen) -> None:
    target = fair(world)
    load = Counter(target.values())
    for name, who in target.items():
        assert all(load[who] - load[other] < 2 for other, names in world.minds.items() if name in names)


@given(worlds())
def test_a_plan_that_was_carried_out_moves_nothing_more(world: Seen) -> None:
    target = fair(world)
    assert fair(Seen(world.minds, target)) == target


@given(worlds())
def test_what_two_controllers_do_by_one_plan_never_meets(world: Seen) -> None:
    takes = [name for who in world.minds for name in to_take(world, who)]
    assert len(takes) == len(set(takes))
    assert not set(takes) & world.holds.keys()
    for who in WHO:
        assert all(world.holds[name] == who for name in to_give(world, who))


@given(alike())
def test_loads_are_even(world: tuple[list[str], list[str]]) -> None:
    living, names = world
    load = Counter(fair(seen(living, names, {})).values())
    assert max(load[who] for who in living) - min(load[who] for who in living) <= 1


@given(alike(least=2))
def test_one_that_goes_moves_only_what_it_had(world: tuple[list[str], list[str]]) -> None:
    (gone, *rest), names = world
    before = fair(seen([gone, *rest], names, {}))
    after = fair(seen(rest, names, before))
    assert {name for name in names if after[name] != before[name]} == {n for n in names if before[n] == gone}


@given(alike(least=2))
def test_one_that_comes_gets_its_share_by_no_more_moves_than_that(world: tuple[list[str], list[str]]) -> None:
    (new, *rest), names = world
    before = fair(seen(rest, names, {}))
    after = fair(seen([new, *rest], names, before))
    moved = [name for name in names if after[name] != before[name]]
    assert all(after[name] == new for name in moved)
    assert len(moved) <= ceil(len(names) / (len(rest) + 1))


@given(alike(), st.data())
def test_whoever_has_what_only_what_must_move_does(world: tuple[list[str], list[str]], data: st.DataObject) -> None:
    living, names = world
    holds = {name: data.draw(st.sampled_from([*living, ""])) for name in names}
    target = fair(seen(living, names, holds))
    had = sorted((Counter(holds.values())[who] for who in living), reverse=True)
    quota, more = divmod(len(names), len(living))
    least = sum(max(0, count - quota - (place < more)) for place, count in enumerate(had))
    assert sum(target[name] != who for name, who in holds.items() if who) == least


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, str, set[str]]]:
    """Steps of several controllers, each by a view that may be of an earlier moment, with deaths and births between."""
    step = st.tuples(st.sampled_from(["step", "die", "see"]), st.sampled_from(WHO), st.just(set(NAMES)))
    return draw(st.lists(step, max_size=60))


@given(stories())
def test_by_views_however_old_no_region_is_held_twice_and_in_the_end_all_are(
    story: list[tuple[str, str, set[str]]],
) -> None:
    """The store is a dictionary: a region is taken only where nobody has it, and given only by who has it."""
    living: set[str] = set()
    holds: dict[str, str] = {}
    views: dict[str, Seen] = {}

    def look(who: str) -> None:
        views[who] = Seen({one: frozenset(NAMES) for one in living}, dict(holds))

    def act(who: str) -> None:
        view = views[who]
        for name in to_give(view, who):
            if holds.get(name) == who:
                del holds[name]
        for name in to_take(view, who):
            holds.setdefault(name, who)

    for kind, who, _ in story:
        if kind == "die":
            living.discard(who)
            views.pop(who, None)
            holds = {name: holder for name, holder in holds.items() if holder != who}
            continue
        living.add(who)
        if kind == "see" or who not in views:
            look(who)
        else:
            act(who)
        assert holds.keys() <= set(NAMES)
    rounds = 0
    while living and not (set(holds) == set(NAMES) and _even(holds, living)):
        for who in sorted(living):
            look(who)
            act(who)
        rounds += 1
        assert rounds <= 3, "it takes a round to give, and one to take"


def _even(holds: dict[str, str], living: set[str]) -> bool:
    load = Counter(holds.values())
    return max(load[who] for who in living) - min(load[who] for who in living) <= 1
