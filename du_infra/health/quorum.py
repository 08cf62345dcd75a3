"""Which regions are up, by the word of whom. Pure: no I/O, and no clock of its own.

Every region is asked by several observers: du-infra itself, and nodes of other regions. Nobody is believed alone, and
silence is no word: a region is up or down when a majority of *all* its observers says so, those counted who said
nothing, and it must be so for a while. Where there is no majority, what was before holds.

Two hold together that way: an observer that is cut off changes nothing by itself, and when most observers are gone
(it is the controller's own network, say) nothing is changed at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias

from du_infra.health.heal import HOUR
from du_infra.health.state import Standing, UpOrDown
from du_infra.spec import TrafficSpec

Verdict: TypeAlias = Literal["up", "down", "unknown"]
Expected: TypeAlias = Mapping[str, Collection[str]]
"""For each service of a region the releases that may answer there."""

FEWEST = 2
STALE_INTERVALS = 3
LONGEST_HOLD = 600.0


class Vote(NamedTuple):
    """What one observer saw of one region: ``at`` by the clock of ``now``; ``why`` says what was amiss."""

    at: float
    well: bool
    why: str = ""


@dataclass(frozen=True)
class Patience:
    """In seconds: how often everybody asks, how long a majority must say "dead", and how long "well"."""

    interval: float = 2.0
    down_after: float = 3.0
    hold: float = 30.0

    def oldest(self, now: float) -> float:
        """Since when votes count."""
        return now - STALE_INTERVALS * self.interval


def first_standing(given_out: bool, now: float) -> Standing:
    """A region of which nothing is remembered stands as DNS has it: who takes over from nobody changes nothing."""
    return Standing("up" if given_out else "down", now, why="nobody has said anything yet")


def patience_of(spec: TrafficSpec) -> Patience:
    """What fleet.yaml says."""
    return Patience(spec.interval.seconds, spec.down_after.seconds, spec.hold.seconds)


def vote_of(at: float, body: Mapping[str, Any] | None, expected: Expected, why: str = "") -> Vote:
    """What an answer of a region's /readyz (docs/du-node.md; None: none came) says: it is well when it is ready and
    each service is one of the releases that are expected there."""
    if body is None:
        return Vote(at, False, why or "no answer")
    if not body.get("ready"):
        return Vote(at, False, why or f"not ready: {body.get('why') or 'it does not say why'}")
    found = body.get("releases", {})
    for service, releases in expected.items():
        told = found.get(service) or {}
        if told.get("release", "") not in releases:
            what = told.get("release") or "nothing"
            return Vote(at, False, f"{service} is {what}, not {' or '.join(sorted(releases))}")
    return Vote(at, True)


def majority(observers: int) -> int:
    """How many of so many observers must agree."""
    return observers // 2 + 1


def judge_regions(
    before: Mapping[str, Standing],
    votes: Mapping[str, Mapping[str, Vote]],
    observers: Mapping[str, Sequence[str]],
    patience: Patience,
    now: float,
) -> dict[str, Standing]:
    """How each region of ``before`` stands now. ``votes``: for each region, each observer's newest.

    Only appointed ``observers`` are heard. What is older than three intervals, or comes from the future, is no word.
    """
    nobody: Mapping[str, Vote] = {}
    return {
        name: judge(standing, votes.get(name, nobody), observers.get(name, ()), patience, now)
        for name, standing in before.items()
    }


def judge(
    before: Standing, said: Mapping[str, Vote], observers: Sequence[str], patience: Patience, now: float
) -> Standing:
    """How one region stands. What is promised (and tested for every input):

    - nothing changes without a majority of all its observers, and never by the word of one alone down;
    - nothing changes at the first look: down takes ``down_after``, up takes ``hold``, longer after each fall;
    - a vote that is worse never leaves the region better.
    """
    well = dead = 0
    oldest, newest = patience.oldest(now), now + patience.interval
    for name in observers:  # a tight loop: fifty thousand votes are counted in each pass of a large fleet
        vote = said.get(name)
        if vote is None:
            continue
        at, good, _ = vote
        if oldest <= at <= newest:
            if good:
                well += 1
            else:
                dead += 1
    verdict = _verdict(well, dead, len(observers))
    if verdict == before.state:
        return _steady(before, well if verdict == "up" else dead, len(observers))
    if verdict == "unknown":
        return replace(before, leaning=None, known=False, why=_no_majority(said, observers, well, dead, oldest, newest))
    return _leaning(before, verdict, _because(said, observers, verdict, oldest, newest), patience, now)


def hold_of(falls: Collection[float], patience: Patience, now: float) -> float:
    """How long a region must be well until it counts: twice as long for each fall of the last hour but one."""
    lately = sum(now - at < HOUR for at in falls)
    return max(patience.hold, min(patience.hold * 2.0 ** max(0, lately - 1), LONGEST_HOLD))


def _verdict(well: int, dead: int, observers: int) -> Verdict:
    needed = majority(observers)
    if well >= needed:
        return "up"
    return "down" if dead >= needed and dead >= FEWEST else "unknown"


def _steady(before: Standing, agree: int, observers: int) -> Standing:
    """The same object where nothing is new: ten thousand of them are looked at in each pass."""
    why = f"{before.state} by {agree} of {observers}"
    if before.known and before.leaning is None and before.why == why:
        return before
    return replace(before, leaning=None, known=True, why=why)


def _leaning(before: Standing, verdict: UpOrDown, because: str, patience: Patience, now: float) -> Standing:
    since = now if before.leaning is None else min(before.leaning, now)
    needed = patience.down_after if verdict == "down" else hold_of(before.falls, patience, now)
    if now - since < needed:
        why = f"{verdict} {because} for {now - since:.0f} s, {needed:.0f} s are needed"
        return replace(before, leaning=since, known=True, why=why)
    falls = before.falls if verdict == "up" else (*(at for at in before.falls if now - at < HOUR), now)
    return Standing(verdict, now, None, True, falls, f"{verdict} {because} for {now - since:.0f} s")


def _because(said: Mapping[str, Vote], observers: Sequence[str], verdict: Verdict, oldest: float, newest: float) -> str:
    fresh = [(name, said[name]) for name in observers if name in said and oldest <= said[name].at <= newest]
    agree = [(name, vote.why) for name, vote in fresh if vote.well == (verdict == "up")]
    words = "; ".join(f"{name}: {why}" for name, why in agree if why)
    return f"by {len(agree)} of {len(observers)}" + (f" ({words})" if words else "")


def _no_majority(
    said: Mapping[str, Vote], observers: Sequence[str], well: int, dead: int, oldest: float, newest: float
) -> str:
    if not observers:
        return "nobody observes it"
    silent = [name for name in observers if name not in said or not oldest <= said[name].at <= newest]
    told = f"{well} of {len(observers)} call it well, {dead} dead"
    needed = max(FEWEST, majority(len(observers))) if dead else majority(len(observers))
    quiet = f"; nothing new from {', '.join(silent)}" if silent else ""
    return f"no majority: {told}, {needed} are needed{quiet}"
