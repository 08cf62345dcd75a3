"""What to do next with a region's K3s cluster. Pure: no I/O, and no clock of its own.

The rules are asked in order, and the first that has something to do is followed. So a cluster that is in trouble is
helped before it is changed, servers come before agents, and whoever joins comes before those who leave. What each
promises for every input is tested in tests/unit/cluster.
"""

from __future__ import annotations

from collections.abc import Callable

from du_infra.cluster.action import Action, Plan, Turn
from du_infra.cluster.bootstrap import bootstrap
from du_infra.cluster.demote import demote, finish_removal
from du_infra.cluster.effects import after
from du_infra.cluster.join import join_agents
from du_infra.cluster.leave import leave
from du_infra.cluster.mend import follow, start_voters, start_wanted, uncordon
from du_infra.cluster.promote import promote
from du_infra.cluster.recover import recover, undo_migration
from du_infra.cluster.seats import without_idle_witness
from du_infra.cluster.state import Observed, Wish
from du_infra.cluster.trouble import trouble
from du_infra.cluster.upgrade import upgrade

RULES: tuple[Callable[[Wish, Observed], Turn], ...] = (
    bootstrap,
    undo_migration,
    recover,
    finish_removal,
    follow,
    start_wanted,
    join_agents,
    demote,
    promote,
    start_voters,
    leave,
    uncordon,
    upgrade,
    trouble,
)
_FORESEEN = 500


def plan_membership(wish: Wish, observed: Observed) -> Plan:
    """All that has to be done, as far as it can be foreseen; only its first step may be acted on.

    The same wish and observation give the same plan. ``Plan.done`` is true when there is nothing to do and nothing to
    wait for.
    """
    turn = next_turn(wish, observed)
    steps = [turn.step] if turn.step else []
    foreseen = observed
    while steps and len(steps) < _FORESEEN:
        foreseen = after(steps[-1], wish, foreseen)
        step = next_turn(wish, foreseen).step
        if not step:
            break
        steps.append(step)
    return Plan(tuple(steps), turn.asks, turn.waits)


def next_turn(wish: Wish, observed: Observed) -> Turn:
    """Only the first step, for a loop that observes anew after it anyway."""
    waits: list[str] = []
    wish = without_idle_witness(wish, observed)
    for rule in RULES:
        turn = rule(wish, observed)
        waits += turn.waits
        if turn.step or turn.asks or turn.holds:
            return Turn(turn.step, turn.asks, _once(waits), turn.holds)
    return Turn(waits=_once(waits))


def _once(words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


__all__ = ["Action", "Plan", "next_turn", "plan_membership"]
