"""How long a dead region is given out, with fleet.yaml's defaults: every wait on the way, each begun at any moment."""

from __future__ import annotations

import random

import pytest

from du_infra.control.traffic.minder import _PAUSE
from du_infra.control.traffic.turn import _WAIT
from du_infra.control.traffic.watcher import _GLANCE
from du_infra.health.heal import CONTROLLER
from du_infra.health.observers import appoint
from du_infra.health.quorum import Vote, first_standing, judge_regions, patience_of
from du_infra.spec.traffic import TrafficSpec
from du_node.outlook_told import _GLANCE as NODE_GLANCE
from du_node.regions import _ANSWER_TIME, _CONNECT_TIME, _JITTER

SPEC = TrafficSpec(zone="example.com", record="www")
PATIENCE = patience_of(SPEC)
DIED = 100.0
SSH_BEGINS, SSH_ENDS = 0.4, 0.2
WRITE = 1.2
"""To read what servers have, write who is up, and have gdnsd see it, as docs/traffic-backends.md has it."""
AT_MOST = 10.0


def looks(dice: random.Random, fails_after: float) -> list[tuple[float, float, bool]]:
    """One observer's looks at the region: when it asked, when it knew, and whether the region was well."""
    at, found = DIED - 8 + dice.uniform(0, PATIENCE.interval), []
    while at < DIED + 12:
        well = at < DIED
        found.append((at, at + (0.02 if well else fails_after), well))
        at += PATIENCE.interval * (1 + _JITTER * dice.uniform(-0.5, 0.5))
    return found


def heard_by_controller(dice: random.Random, seen: list[tuple[float, float, bool]]) -> list[tuple[float, Vote]]:
    """A node's looks as they reach the controller, which asks it every interval to wait for news."""
    begin, told, found = DIED - 8 + dice.uniform(0, PATIENCE.interval), True, []
    while begin < DIED + 12:
        asked, end = begin + SSH_BEGINS, begin + SSH_BEGINS + _WAIT * PATIENCE.interval
        noted = [(at, known, well) for at, known, well in seen if known <= end]
        news = [known for _, known, well in noted if well != told]
        spoke = min(max(min(news, default=end), asked) + NODE_GLANCE, end + NODE_GLANCE)
        at, _, told = max((one for one in noted if one[1] <= spoke), default=(0.0, 0.0, True))
        found.append((spoke + SSH_ENDS, Vote(at, told)))
        begin = max(begin + PATIENCE.interval, spoke + SSH_ENDS) + dice.uniform(0, _GLANCE)
    return found


def out_after(dice: random.Random, names: str, fails_after: float) -> float:
    """Seconds from a region's death to answers without it."""
    observers = appoint(names)["a"]
    heard: dict[str, list[tuple[float, Vote]]] = {}
    for one in observers:
        seen = looks(dice, fails_after)
        own = [(known + _GLANCE, Vote(at, well)) for at, known, well in seen]
        heard[one] = own if one == CONTROLLER else heard_by_controller(dice, seen)
    standings, now = {"a": first_standing(True, DIED - 50)}, DIED - 2 + dice.uniform(0, _PAUSE[1])
    while True:
        votes = {one: [vote for when, vote in heard[one] if when <= now] for one in observers}
        newest = {one: said[-1] for one, said in votes.items() if said}
        standings = judge_regions(standings, {"a": newest}, {"a": observers}, PATIENCE, now)
        if not standings["a"].up:
            return now - DIED + WRITE
        now += _PAUSE[1] + dice.uniform(0, 0.05)


@pytest.mark.parametrize(
    ("kind", "fails_after"), [("refuses", 0.05), ("is gone", _CONNECT_TIME), ("hangs", _ANSWER_TIME)]
)
@pytest.mark.parametrize("names", ["ab", "abc", "abcde"])
def test_a_dead_region_is_out_of_the_answers_in_ten_seconds_and_the_ttl(
    names: str, kind: str, fails_after: float
) -> None:
    dice = random.Random(7)
    took = sorted(out_after(dice, names, fails_after) for _ in range(200))
    print(f"{len(names)} regions, one {kind}: median {took[100]:.1f} s, at worst {took[-1]:.1f} s")
    assert took[-1] <= AT_MOST
