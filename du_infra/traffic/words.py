"""What is done to the world's entrance, as small actions with their reasons. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from du_infra.health.state import Standing
from du_infra.traffic.failover import Given
from du_infra.traffic.shares import percent, share_of
from du_infra.traffic.state import Record

Kind: TypeAlias = Literal[
    "publish", "fail-over", "return", "standby", "fail-open", "rest", "shift", "drain", "settings", "mend"
]


@dataclass(frozen=True)
class Action:
    """One thing that changes in what a name answers: for which region ("" for the whole record), and why."""

    kind: Kind
    region: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind} {self.region}: {self.why}" if self.region else f"{self.kind}: {self.why}"


def by_health(
    given: Given, record: Record, before: Record, out_before: Collection[str], health: Mapping[str, Standing]
) -> tuple[Action, ...]:
    """What changes because of who is up."""
    if not before.endpoints:
        return (Action("publish", "", f"{record.name} leads to {', '.join(sorted(record.live()))}"),)
    found = [Action("fail-over", name, _state(name, health)) for name in sorted(given.out - frozenset(out_before))]
    if given.mode == "fail-open":
        words = "all regions look down, so that all are given out with their last good weights"
        return (*found, Action("fail-open", "", words))
    found += [Action("return", name, _state(name, health)) for name in sorted(frozenset(out_before) - given.out)]
    if given.mode == "standby":
        names = sorted(name for name in record.live() if name not in given.left and name not in given.kept)
        found += [Action("standby", name, "all regions that have a weight are down") for name in names]
    found += [Action("rest", name, _rest(weight, given)) for name, weight in sorted(given.left.items())]
    had = [name for name in sorted(given.out & frozenset(out_before)) if before.endpoints[name].given_out]
    found += [Action("rest", name, "nothing: the others have room for all") for name in had if name not in given.left]
    return tuple(found) or (Action("mend", "", "what is answered by health is another"),)


def by_plan(base: Mapping[str, int], then: Mapping[str, int], wanted: Mapping[str, int]) -> tuple[Action, ...]:
    """What changes because somebody wants other shares."""
    now, after, goal = share_of(base), share_of(then), share_of(wanted)
    return tuple(
        Action(
            "drain" if not then[name] and not goal.get(name) else "shift",
            name,
            f"{percent(now.get(name, 0.0))} → {percent(after[name])}, {percent(goal.get(name, 0.0))} in the end",
        )
        for name in then
        if abs(after[name] - now.get(name, 0.0)) > 1e-9
    )


def settings_changed(before: Record | None, record: Record) -> tuple[Action, ...]:
    """What differs in a record that answers with the same shares as was decided before."""
    if before is None:
        return (Action("publish", "", "DNS has no such record"),)
    if (before.name, before.ttl) != (record.name, record.ttl):
        return (Action("settings", "", f"{record.name} with a TTL of {record.ttl} s"),)
    known, there = record.endpoints, before.endpoints
    found = [Action("settings", name, "is behind the name from now on") for name in sorted(known.keys() - there.keys())]
    found += [
        Action("settings", name, "is not behind the name any more") for name in sorted(there.keys() - known.keys())
    ]
    found += [
        Action("settings", name, f"its address is {one.address}")
        for name, one in sorted(record.endpoints.items())
        if name in before.endpoints and before.endpoints[name].address != one.address
    ]
    return tuple(found) or (Action("mend", "", "DNS does not have what was decided"),)


def notes_of(given: Given, health: Mapping[str, Standing]) -> tuple[str, ...]:
    """What is so and should not be, as long as it lasts."""
    found = [
        f"{name} is given out although it is down, for min_regions ({_state(name, health)})" for name in given.kept
    ]
    if given.mode == "fail-open":
        found = ["all regions look down: all are given out"]
    found += [f"{name} keeps {_rest(weight, given)}" for name, weight in sorted(given.left.items())]
    return tuple(found)


def _rest(weight: int, given: Given) -> str:
    total = sum(given.weights.values()) or 1
    return f"{percent(weight / total)} although it is down: the others have no room for more"


def _state(name: str, health: Mapping[str, Standing]) -> str:
    return health[name].why if name in health else "nobody observes it"
