"""Observe, plan, do one step, look again, until the cluster is as wanted. Killed anywhere, the next run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from du_infra.cluster.action import Action, Plan
from du_infra.cluster.plan import plan_membership
from du_infra.cluster.quorum import voters
from du_infra.cluster.standing import usable, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.control.cluster.access import give_access
from du_infra.control.cluster.act import JOIN_SECONDS, Work
from du_infra.control.cluster.act_external import keep_token, renew
from du_infra.control.cluster.nodes import STAGE as STAGE
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.cluster.observe import Look, look
from du_infra.control.cluster.servers import has_cluster as has_cluster
from du_infra.control.cluster.votes import ETCD, keepers
from du_infra.control.cluster.wish import (
    may_come,
    refuse_not_yet,
    refuse_parting,
    refuse_what_follows,
    unwell,
    wish_of,
)
from du_infra.control.context import RegionContext
from du_infra.errors import NotReady, Refused
from du_infra.parallel import each
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter

_PATIENCE_SECONDS = 180.0
_POLL_SECONDS = 2.0
_TRIES = 5


def settle(context: RegionContext, record: PoolRecord, report: Reporter) -> None:
    """Have every node that stays be part of the cluster, and du-node on it have its credentials.

    K3s that started before one of its files changed starts again, one node at a time; pods run on meanwhile.

    Raises Refused for what is not done yet, or needs a person; NotReady with what is in the way; any error of a step.
    """
    renew(context, record, report, JOIN_SECONDS)
    loop = _Loop(context, record, report)
    seen = loop.run(_all_well)
    while again := _next_stale(record, seen):
        loop.start_again(again, seen.stale[again])
        seen = loop.run(_all_well)
    keep_token(context, record, seen.api, report)
    living = [n for n in context.living(record.staying) if n.name not in {m.name for m in _lost(seen.observed)}]
    give_access(Nodes(context, report), record.named(seen.api), living, _servers(record, seen.observed))


def revive(context: RegionContext, record: PoolRecord, report: Reporter) -> None:
    """Have the API answer, and the agents hear of it, once a person has agreed to what that costs; and no more.

    Raises what :func:`settle` does.
    """
    _Loop(context, record, report, at_once=True).run(_hears)


def part(
    context: RegionContext,
    record: PoolRecord,
    names: Collection[str],
    report: Reporter,
    silent: Collection[str] = (),
) -> None:
    """Have these nodes leave the cluster, so that their machines may be destroyed; they have been drained of requests.

    Those of them that are ``silent`` are taken for dead: they are turned off, and forgotten then. Raises what
    :func:`settle` does.
    """
    if context.store.clusters.known(context.name):
        _Loop(context, record, report, names, frozenset(silent)).run(partial(_have_left, names))


def refuse_to_part(
    context: RegionContext,
    record: PoolRecord,
    names: Collection[str],
    report: Reporter,
    silent: Collection[str] = (),
) -> None:
    """Raises Refused when one of these nodes cannot leave the cluster as things stand. Changes nothing."""
    if context.store.clusters.known(context.name):
        seen = look(context, record, report, silent)
        refuse_parting(wish_of(context.spec.k3s, record, seen, names), seen.observed)


Goal = Callable[[Wish, Observed], bool]


@dataclass
class _Loop:
    """``leaving`` are to leave; of them the ``silent`` are taken for dead.

    ``at_once``: nothing is done beyond the goal. ``parted`` have left: all that is left of them is for the pool to
    destroy. ``tried``: how often a step was done.
    """

    context: RegionContext
    record: PoolRecord
    report: Reporter
    leaving: Collection[str] = ()
    silent: frozenset[str] = frozenset()
    at_once: bool = False
    parted: set[str] = field(default_factory=set)
    tried: dict[tuple[Action, ...], int] = field(default_factory=dict)

    def run(self, reached: Goal) -> Look:
        """Step by step until ``reached``, or nothing is left that could be done or waited for."""
        before, since = None, time.monotonic()
        while True:
            seen = self._look()
            asked = wish_of(self.context.spec.k3s, self.record, seen, self.leaving)
            wish = replace(asked, may_restore=self.context.may_restore)
            plan = plan_membership(wish, seen.observed)
            if (now := replace(seen.observed, now=0.0)) != before:
                before, since = now, time.monotonic()
            # what else is amiss is not for the sake of those who leave
            gone = (bool(self.leaving) or self.at_once) and reached(wish, seen.observed)
            if (not gone or (self.leaving and _two_votes(seen.observed))) and self._act(plan, seen):
                continue
            if gone or reached(wish, seen.observed):
                self._warn(plan)
                return seen
            if plan.asks:
                todo = f"`du-infra region restore {self.context.name}` asks, and does it"
                raise Refused("; ".join(plan.waits), where=plan.asks[0].node, todo=todo)
            if not may_come(wish, seen.observed) or time.monotonic() - since > _PATIENCE_SECONDS:
                raise _not_ready(self.context, plan, seen)
            time.sleep(_POLL_SECONDS)

    def start_again(self, name: str, files: Sequence[str]) -> None:
        """Have K3s on a node start again, for ``files`` that it reads only then."""
        self._do([Action("restart", name, f"changed since it started: {', '.join(files)}")], None)

    def _look(self) -> Look:
        """Without those that have left; that the API answers is written down at once: a cluster is begun only once."""
        seen = look(self.context, self.record, self.report, self.silent)
        here = tuple(m for m in seen.observed.members if m.name not in self.parted)
        observed = replace(seen.observed, members=here)
        if observed.api:
            self.context.store.clusters.note(self.context.name, keepers(observed), observed.datastore)
        return replace(seen, observed=observed)

    def _act(self, plan: Plan, seen: Look) -> bool:
        """Do the plan's first step, if it has one."""
        if not plan.step:
            return False
        out = {action.node for action in plan.step if action.kind == "destroy"}
        self.parted |= out
        todo = [action for action in plan.step if action.node not in out]
        if todo:
            refuse_what_follows(plan)
            self._do(todo, seen)
        return True

    def _do(self, step: Sequence[Action], seen: Look | None) -> None:
        refuse_not_yet(step)
        key = tuple(step)
        self.tried[key] = self.tried.get(key, 0) + 1
        if self.tried[key] > _TRIES:
            words = f"{step[0].kind} was done {_TRIES} times, and it is as before"
            raise NotReady(words, where=step[0].node, todo=f"see `du-infra region status {self.context.name}`")
        for action in step:
            self.report(Event("step", STAGE, f"{_words(action)}: {action.why}", node=action.node))
            self.context.store.event(self.context.name, "cluster", f"{action.node} {action.kind}: {action.why}")
        each(Work(self.context, self.record, Nodes(self.context, self.report), seen or Look(Observed())).do, step)

    def _warn(self, plan: Plan) -> None:
        for words in plan.waits:
            self.report(Event("warning", STAGE, words))


def _next_stale(record: PoolRecord, seen: Look) -> str:
    """Who starts again next, servers first; "" for nobody. Who is on its way out stays as it is."""
    staying = [node.name for node in record.staying if node.name in seen.stale]
    servers = [name for name in staying if (m := seen.observed.find(name)) and m.role == "server"]
    return next(iter([*servers, *staying]), "")


def _all_well(wish: Wish, observed: Observed) -> bool:
    there = {m.name for m in observed.members}
    return observed.api and not unwell(wish, observed) and there.issuperset(wish.nodes)


def _hears(_: Wish, observed: Observed) -> bool:
    return observed.api and not any(m.astray or m.blind for m in observed.members if usable(m))


def _have_left(names: Collection[str], _: Wish, observed: Observed) -> bool:
    return not any(m.name in names for m in observed.members)


def _two_votes(observed: Observed) -> bool:
    """Two servers on etcd are worse than one: who has one of three leave does not stop there."""
    return observed.datastore == ETCD and len(voters(observed)) == 2


def _lost(observed: Observed) -> list[Member]:
    return [m for m in observed.members if m.dead or m.machine != "running"]


def _servers(record: PoolRecord, observed: Observed) -> list[Node]:
    """Those that stay and are well."""
    able = {m.name for m in observed.members if m.role == "server" and well(m)}
    return [node for node in record.staying if node.name in able]


def _words(action: Action) -> str:
    return action.kind.replace("-", " ")


def _not_ready(context: RegionContext, plan: Plan, seen: Look) -> NotReady:
    why = [f"{name}: {words}" for name, words in seen.why.items()]
    return NotReady(
        "; ".join(plan.waits) or "the cluster is not as wanted",
        where=f"region {context.name}",
        todo=f"`du-infra region up {context.name}` goes on once that is mended",
        detail="\n".join(why),
    )
