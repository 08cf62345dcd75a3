"""The next step from the weights that are to those that are wanted. Pure.

It is taken from what is, not from a list of steps that somebody began: whoever gets more goes up to the next share of
``canary``, whoever gets less goes down by as much together. So a step is the same whoever takes it, and a change of
mind in the middle is simply another step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from du_infra.health.state import Standing
from du_infra.traffic.aim import Settings
from du_infra.traffic.guard import Budget, drain_refusal
from du_infra.traffic.shares import HUNDRED, percent, spread, whole

_FINE = 1_000_000


@dataclass(frozen=True)
class Step:
    """New weights by plan, None when no step is taken; ``moved``: the share that changes hands; ``why`` what waits."""

    base: Mapping[str, int] | None = None
    moved: float = 0.0
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Terms:
    """What a step goes by. ``now`` and ``goal`` in units, of which there are ``total``."""

    total: int
    now: Mapping[str, int]
    goal: Mapping[str, int]
    health: Mapping[str, Standing]
    rooms: Mapping[str, float]
    notes: list[str] = field(default_factory=list)


def next_step(
    base: Mapping[str, int],
    wanted: Mapping[str, int],
    health: Mapping[str, Standing],
    rooms: Mapping[str, float],
    settings: Settings,
    budget: Budget,
) -> Step:
    """The next weights on the way to ``wanted``; both of any sum but 0, over the same regions.

    Who gets more must be up for sure and have room for it, by ``rooms`` (as capacity.rooms_of has them: who is not
    there was not measured, and waits). One region is drained at a time, and none while another is not up for sure.
    """
    total = HUNDRED if sum(base.values()) == sum(wanted.values()) == HUNDRED else _FINE
    terms = _Terms(total, spread(total, base), spread(total, wanted), health, rooms)
    losses = _losses(terms, base, settings)
    gains = _gains(terms, settings.steps)
    move = min(sum(gains.values()), sum(losses.values()))
    if move > (may := int(budget.left * total + 1e-6)):
        terms.notes.append(f"{percent(budget.left)} may still be moved within this hour by max_shift")
        move = may
    if move <= 0:
        return Step(why=tuple(terms.notes))
    less, more = spread(move, losses), spread(move, gains)
    parts = {name: units + more.get(name, 0) - less.get(name, 0) for name, units in terms.now.items()}
    if parts == terms.goal:
        return Step(dict(wanted), move / total, tuple(terms.notes))
    if not settings.weighted:
        return Step(why=(*terms.notes, "a part of a share cannot be given: the backend knows no weights"))
    found = whole(parts)
    return Step(found if found != base else None, move / total, tuple(terms.notes))


def _losses(terms: _Terms, base: Mapping[str, int], settings: Settings) -> dict[str, int]:
    """How much each may lose: all it has too much, but only one that is up goes to nothing at a time."""
    off = {name: units - terms.goal[name] for name, units in terms.now.items() if units > terms.goal[name]}
    drains = sorted((name for name in off if not terms.goal[name]), key=lambda name: (base[name], name))
    begun = ""
    for name in drains:
        here = terms.health.get(name)
        if here is None or not here.up:
            continue  # nobody is sent there
        reason = drain_refusal(name, base, terms.goal, terms.health, settings.min_regions)
        if begun or reason:
            terms.notes.append(f"{name} is not drained: {reason or f'one at a time, and {begun} is first'}")
            del off[name]
        else:
            begun = name
    return off


def _gains(terms: _Terms, steps: tuple[float, ...]) -> dict[str, int]:
    """How much each may get on top: up to the next share of the canary, within its room, when it is up for sure."""
    found, there = {}, terms.total // 200  # many regions' weights are rounded: half a percent less is there as well
    for name, units in terms.now.items():
        goal = terms.goal[name]
        if goal <= units:
            continue
        station = next((at for step in steps if (at := round(step * terms.total)) > units + there), goal)
        if reason := _refusal(terms, name, units):
            terms.notes.append(f"{name} gets no more: {reason}")
        else:
            found[name] = min(goal, station, int(terms.rooms[name] * terms.total + 1e-6)) - units
    return found


def _refusal(terms: _Terms, name: str, units: int) -> str:
    here, room = terms.health.get(name), terms.rooms.get(name)
    if here is None or not here.surely_up:
        return (here.why if here else "nobody observes it") or "it is not up for sure"
    if room is None:
        return "nobody has measured whether it has room"
    return "" if int(room * terms.total + 1e-6) > units else f"it has room for {percent(room)} of what comes"
