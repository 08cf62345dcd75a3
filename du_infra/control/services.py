"""Stage "services": every node running what it should; new releases go live the way `release start` has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from du_infra.control.context import RegionContext
from du_infra.control.release.desk import Desk, Ending
from du_infra.control.release.engine import Engine
from du_infra.control.release.going_on import go_on
from du_infra.control.release.nodes import SshNodes
from du_infra.control.release.resolve import Resolved, kept
from du_infra.control.release.rows import begin, leased
from du_infra.errors import Unreachable
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Event, Reporter
from du_infra.release import pins
from du_infra.release.aim import Aim
from du_infra.release.goal import Goal, goal_of
from du_infra.release.options import way_in
from du_infra.release.rollout import Rules, in_order
from du_infra.release.state import Rollout
from du_infra.store.leases import Lease

STAGE = "services"


@dataclass(frozen=True)
class Deployed:
    """What the stage left: whether anything was done, and the configurations that nodes may answer with.

    A node with an unfinished release has not come to what is wanted of it, and answers with "".
    """

    changed: bool
    configs: frozenset[str]


def goal(context: RegionContext, resolved: Resolved, reports: Sequence[NodeReport]) -> Goal:
    """Where the region's services go, as :mod:`du_infra.release.goal` sees it."""
    base = Aim(context.fleet.fleet, context.name, {}, kept=kept(context))
    return goal_of(resolved.records, base, reports, unfinished(context), _ours(context))


def unfinished(context: RegionContext) -> dict[str, Rollout]:
    """Releases that were held, or cut off on their way forward: it is for their own commands to end them."""
    rows = _on_the_way(context)
    return {name: row for name, row in rows.items() if name in context.services and row.kind != "up"}


def _ours(context: RegionContext) -> dict[str, Rollout]:
    """Releases by a ``region up`` that was cut off: the next one goes on with them."""
    return {name: row for name, row in _on_the_way(context).items() if row.kind == "up"}


def _on_the_way(context: RegionContext) -> dict[str, Rollout]:
    rows = context.store.rollouts.open(context.name)
    return {name: row for name, row in rows.items() if row.direction == "forward"}


def deploy(
    context: RegionContext,
    record: PoolRecord,
    reports: Sequence[NodeReport],
    resolved: Resolved,
    report: Reporter,
) -> Deployed:
    """Have every node run what is resolved. A release that fails goes back everywhere, and its error is raised.

    Nodes that serve nothing yet are worked on at once; what serves is switched one service after the other.
    """
    left = unfinished(context)
    for name, row in left.items():
        text = f"{name}: {row.release} is {'held' if row.state == 'held' else 'cut off'}, and left as it is"
        report(Event("warning", STAGE, f"{text}; see `du-infra release status`"))
    nodes = SshNodes(context, record, resolved.secrets)
    if _tidy(context, resolved, nodes, report):
        reports = nodes.look([told.name for told in reports])
    found = goal(context, resolved, reports)
    configs = frozenset(str(found.aim.wanted(told, "forward")["config"]) for told in reports)
    configs |= {""} if left else set()
    if all(found.aim.see(told).at == "new" for told in reports):
        _arrived(context, found.aim.targets)
        report(Event("step", STAGE, "nothing to change"))
        return Deployed(False, configs)
    work = _Deployment(context, resolved, found, nodes, report)
    work.groundwork(reports)
    for name in found.switched:
        work.switch(name)
    return Deployed(True, configs)


@dataclass(frozen=True)
class _Deployment:
    context: RegionContext
    resolved: Resolved
    goal: Goal
    nodes: SshNodes
    report: Reporter

    def groundwork(self, reports: Sequence[NodeReport]) -> None:
        """New services, new nodes, what broke, what leaves: nodes that serve nothing at once, then one by one."""
        aim, names = self.goal.groundwork, [told.name for told in reports]
        fresh = self.goal.fresh
        if all(aim.see(told).at == "new" for told in reports):
            _arrived(self.context, fresh)
            return
        with leased(self.context, {name: f"first release of {name}, by region up" for name in fresh}) as leases:
            rows = [self._row(name, "", names) for name in fresh]
            rules = Rules(max_unavailable=len(names), returnable=False)
            _good(Engine(self._desk(leases), aim, rules, rows, names).run(reports))

    def switch(self, name: str) -> None:
        """One service from its old release to the new one, as its settings say."""
        old, tag = self.goal.previous[name]["release"], self.goal.aim.targets[name]["tag"]
        names = [node.name for node in self.context.store.pool(self.context.name).staying]
        order = in_order(names, self.nodes.front())
        with leased(self.context, {name: f"release of {name} {tag}, by region up"}) as leases:
            row = self._row(name, old, order)
            rules = Rules(row.options["batch"], row.options["max_unavailable"])
            aim = self.goal.switch(name, row.options["rollout"])
            _good(Engine(self._desk(leases), aim, rules, [row], order).run())

    def _desk(self, leases: Sequence[Lease]) -> Desk:
        return Desk(self.nodes, self.context.store.rollouts, self.report, leases, stage=STAGE)

    def _row(self, name: str, previous: str, nodes: Sequence[str]) -> Rollout:
        if begun := _ours(self.context).get(name):
            return begun
        record, over = self.goal.aim.targets[name], name in self.resolved.over
        options = {**way_in(record), "mark": pins.mark_of(self.context.services[name]), "over": over}
        return begin(self.context, "up", record, previous, options, nodes)


def _tidy(context: RegionContext, resolved: Resolved, nodes: SshNodes, report: Reporter) -> bool:
    """Finish what was on its way back, and close what has nowhere to go; whether nodes were worked on."""
    worked, ours = False, _ours(context)
    for name, row in context.store.rollouts.open(context.name).items():
        if name not in context.services:
            context.store.rollouts.end(row.id, "aborted", why="the service left fleet.yaml")
        elif name in ours and row.release != resolved.records[name]["release"]:
            context.store.rollouts.end(row.id, "aborted", why="cut off, and fleet.yaml says something else now")
        elif row.direction == "back":
            report(Event("step", STAGE, f"{name} goes on going back to {row.previous or 'nothing'}"))
            ending = go_on(context, row, report, nodes=nodes, stage=STAGE)
            worked = True
            if ending.rollouts[0].open:
                raise ending.error or Unreachable("a node does not answer", where=context.name)
    return worked


def _arrived(context: RegionContext, services: Iterable[str]) -> None:
    """Close what an earlier run had begun, and only did not live to write the end of."""
    begun = _ours(context)
    for name in services:
        if name in begun:
            context.store.rollouts.end(begun[name].id, "done")


def _good(ending: Ending) -> None:
    if ending.error:
        raise ending.error
    if ending.missing:
        raise Unreachable("does not answer", where=", ".join(ending.missing), todo="run the same command again")
