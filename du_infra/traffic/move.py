"""A region's move to another provider: a new region beside it, requests led over, the old one taken away. Pure.

Nothing is remembered of a move: what is to be done next follows from fleet.yaml and from what is there. So a move that
was killed goes on with the same command, and whoever wants to go back moves the new region to the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from du_infra.errors import Refused
from du_infra.traffic.seen import Seen, not_as_told
from du_infra.traffic.shares import percent, share_of

Kind: TypeAlias = Literal["write", "up", "shift", "wait", "down", "forget"]


@dataclass(frozen=True)
class Moving:
    """What is so. ``weights`` by region as they are wanted; of the new one only where fleet.yaml has it (``listed``).

    ``ready``: the new region serves what it should on as many nodes as it should. ``machines``: the old one has some.
    ``clear``: it was seen that nobody is led to the old one any more.
    """

    old: str
    new: str
    provider: str
    weights: Mapping[str, int]
    listed: bool = False
    ready: bool = False
    clear: bool = False
    machines: bool = True
    nodes: int = 1
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class MoveStep:
    """One thing to do to ``target`` (a region, or the file), and why."""

    kind: Kind
    target: str
    why: str


@dataclass(frozen=True)
class MovePlan:
    """What is left to do, in order; ``notes`` say what does not move along."""

    old: str
    new: str
    steps: tuple[MoveStep, ...]
    notes: tuple[str, ...] = ()


def plan_move(seen: Moving) -> tuple[MoveStep, ...]:
    """The steps that are left. Machines are destroyed only after it was seen that nobody is led to them."""
    old, new, weight = seen.old, seen.new, seen.weights.get(seen.old, 0)
    found: list[MoveStep] = []
    if seen.machines:
        if not seen.listed:
            found.append(
                MoveStep("write", "fleet.yaml", f"gets region {new} as {old} is, at {seen.provider}, weight 0")
            )
        if not seen.ready:
            found.append(MoveStep("up", new, f"{seen.nodes} node(s), the services that {old} runs"))
        if weight:
            found.append(
                MoveStep("shift", new, f"gets the weight of {old} ({_share(seen, old)}){_by_steps(seen.steps)}")
            )
        if not seen.clear:
            found.append(MoveStep("wait", old, f"until nobody is led to {old}: answers, caches, what gateways count"))
        found.append(MoveStep("down", old, "its machines are destroyed, with everything on them"))
    found.append(MoveStep("forget", "fleet.yaml", f"has no region {old} any more"))
    return tuple(found)


def check_weights(seen: Moving) -> None:
    """Raises Refused where both regions have a weight: then nobody can say what is to become of it."""
    if seen.weights.get(seen.old, 0) and seen.weights.get(seen.new, 0):
        raise Refused(
            f"both have a weight, {seen.old} and {seen.new}: what the new one is to have in the end is not clear",
            where=seen.old,
            todo=f"write {seen.new}: 0 in traffic.weights, then run the same command again",
        )


@dataclass(frozen=True)
class Led:
    """What can be said of who is led where. ``base``: weights by plan; ``given``: whom answers have, with their shares.

    ``since``: for how many seconds DNS is as it is; ``sure``: regions that a majority calls up just now, leaning
    nowhere; ``counts``: requests that gateways counted since caches are clear, None while that is not known.
    """

    base: Mapping[str, int]
    given: Mapping[str, float]
    since: float
    sure: frozenset[str]
    counts: Seen | None = None


def why_not_clear(old: str, new: str, led: Led, quiet: float, min_requests: int) -> str:
    """Why the old region may not be destroyed yet, in words; "" when nobody is led to it any more.

    ``quiet``: how many seconds DNS must not have changed. Whoever keeps an answer for longer than its TTL is seen by
    the gateways only, where ``min_requests`` is not 0.
    """
    if led.base.get(old):
        return f"{old} has {percent(share_of(led.base)[old])} by plan"
    if old in led.given:
        return f"answers have {old}"
    if led.base.get(new) and new not in led.given:
        return f"answers do not have {new}"
    if new not in led.sure:
        return f"{new} is not up for sure"
    if led.since < quiet:
        return f"DNS changed {led.since:.0f} s ago, and {quiet:.0f} s are waited for"
    return not_as_told(led.given, led.counts, 0.0, min_requests)


def _share(seen: Moving, name: str) -> str:
    return percent(share_of(seen.weights).get(name, 0.0))


def _by_steps(steps: tuple[int, ...]) -> str:
    return f", by the steps {', '.join(map(str, steps))} % of the answers" if steps else ""
