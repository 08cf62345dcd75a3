"""A release over several nodes: what to do next. A pure function of what the nodes show; no I/O.

What it keeps, whatever was observed and wherever an earlier run was cut off:

- no more than ``batch`` nodes that serve are worked on at once;
- nothing begins while more nodes than ``max_unavailable`` are out of order;
- a failure turns the whole release back, so that it ends with one version everywhere;
- where nodes do not answer, it ends by saying so and never by calling it done;
- a node is left out only when it is lost by the word of others, and then it is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from du_infra.release.state import Direction

At: TypeAlias = Literal["new", "old", "held", "other"]


@dataclass(frozen=True)
class Seen:
    """One node as a rollout sees it.

    ``at`` is where it arrived: it did all it was last asked for, with the new release, the old one, or the new one
    on preview only ("held"); anything else is "other". ``empty``: it serves no release at all. ``ready``: what it
    serves can take requests. ``failed``: it tried the new release in this rollout and went back. ``busy``: du-node
    is at work there. ``asked``: this rollout asked it for the new release. ``given_up``: it did not go back when it
    was asked to. ``lost``: nobody counts on it any more, by the word of those who observe it (health.heal).
    """

    node: str
    at: At = "old"
    answers: bool = True
    ready: bool = True
    empty: bool = False
    failed: bool = False
    busy: bool = False
    asked: bool = False
    given_up: bool = False
    lost: bool = False


@dataclass(frozen=True)
class Rules:
    """What the settings allow. ``returnable``: there is a release to go back to."""

    batch: int = 1
    max_unavailable: int = 0
    hold: bool = False
    returnable: bool = True


@dataclass(frozen=True)
class Switch:
    """Have these nodes go to the new release, at once."""

    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Return:
    """Have these nodes go back to the old release, at once."""

    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Wait:
    """du-node is at work on these nodes: look again later."""

    nodes: tuple[str, ...]


@dataclass(frozen=True)
class TurnBack:
    """Something is wrong: from now on the way is back. ``sure``: no second look can change that."""

    why: str
    sure: bool = False


@dataclass(frozen=True)
class Stop:
    """It ends here: it cannot begin, or there is nothing to go back to. ``sure`` as in TurnBack."""

    why: str
    sure: bool = False


@dataclass(frozen=True)
class Held:
    """The first nodes have the new release on preview; a person decides."""

    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """The new release serves everywhere but on ``missing``, which do not answer."""

    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Back:
    """The old release serves everywhere but on ``left``, which are lost: nobody knows what they serve."""

    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stuck:
    """The old release serves everywhere but on these nodes, of which nobody knows."""

    nodes: tuple[str, ...]


Step: TypeAlias = Switch | Return | Wait | TurnBack | Stop | Held | Done | Back | Stuck


def next_step(direction: Direction, seen: Sequence[Seen], rules: Rules) -> Step:
    """What to do now. ``seen`` has every node of the region, in the order they are worked on."""
    return _forward(seen, rules) if direction == "forward" else _back(seen, rules)


def in_order(nodes: Sequence[str], front: str) -> list[str]:
    """The order of work: the node that holds the VIP first, because its gateway sees the traffic."""
    return sorted(nodes, key=lambda node: node != front)


def batches(nodes: Sequence[str], empty: Sequence[str], size: int) -> list[list[str]]:
    """The nodes as they will be worked on: those that serve nothing at once, the others in batches."""
    serving = [node for node in nodes if node not in empty]
    cut = [serving[at : at + size] for at in range(0, len(serving), size)]
    return [list(empty), *cut] if empty else cut


def _forward(seen: Sequence[Seen], rules: Rules) -> Step:
    if wrong := _wrong(seen, rules):
        return wrong
    if busy := tuple(node.node for node in seen if node.busy and node.answers):
        return Wait(busy)
    todo = [node for node in seen if node.at != "new" and node.answers]
    if empty := tuple(node.node for node in todo if node.empty):
        return Switch(empty)
    if rules.hold and todo:
        return _towards_hold(seen, rules)
    todo.sort(key=lambda node: node.at != "held")
    if todo:
        return Switch(tuple(node.node for node in todo[: rules.batch]))
    return Done(_silent(seen))


def _wrong(seen: Sequence[Seen], rules: Rules) -> Step | None:
    """Why the release must not go on, if anything is wrong."""
    give_way = TurnBack if rules.returnable else Stop
    if failed := _names(node for node in seen if node.failed):
        return give_way(f"it failed on {failed}", sure=True)
    silent, serving = _silent(seen), [node for node in seen if node.answers and not node.empty]
    begun = any(node.asked or node.at in ("new", "held") for node in seen)
    if begun:
        # A node that is still to come may be the reason for this release; one that has it must be well.
        sick = [node for node in serving if node.at == "new" and not node.ready]
    else:
        # Where the service is ready nowhere there is nothing to lose, and the release may be its cure.
        sick = [node for node in serving if not node.ready] if any(node.ready for node in serving) else []
    if len(silent) + len(sick) <= rules.max_unavailable and len(silent) < len(seen):
        return None
    words = [f"{node} does not answer" for node in silent] + [f"{node.node} is not ready" for node in sick]
    return give_way("; ".join(words)) if begun else Stop("; ".join(words))


def _towards_hold(seen: Sequence[Seen], rules: Rules) -> Step:
    first = [node for node in seen if node.answers][: rules.batch]
    missing = tuple(node.node for node in first if node.at not in ("held", "new"))
    return Switch(missing) if missing else Held(tuple(node.node for node in first))


def _back(seen: Sequence[Seen], rules: Rules) -> Step:
    todo = [node for node in reversed(seen) if node.at != "old" and node.answers and not node.given_up]
    if todo:
        return Return(tuple(node.node for node in todo[: rules.batch]))
    # One that was never asked for the new release cannot come back with it.
    unknown = [node for node in seen if node.given_up or (node.asked and not node.answers)]
    if awaited := tuple(node.node for node in unknown if not node.lost):
        return Stuck(awaited)
    return Back(tuple(node.node for node in unknown))


def _silent(seen: Sequence[Seen]) -> tuple[str, ...]:
    return tuple(node.node for node in seen if not node.answers)


def _names(nodes: Iterable[Seen]) -> str:
    return ", ".join(node.node for node in nodes)
