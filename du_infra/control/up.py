"""``region up``: from whatever is there to a region that serves what fleet.yaml says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from du_infra.control.context import RegionContext
from du_infra.control.late import dismiss
from du_infra.control.leave import STAGE as LEAVE
from du_infra.control.leave import leave_nodes
from du_infra.control.lock import locked
from du_infra.control.machines import STAGE as MACHINES
from du_infra.control.machines import bring_machines, leaving
from du_infra.control.serve import Served, prepare, serve
from du_infra.control.verify import STAGE as VERIFY
from du_infra.control.verify import verify_region
from du_infra.errors import Refused
from du_infra.health.plan import service_url
from du_infra.pool.wish import holds
from du_infra.progress import Event, Reporter, stage


@dataclass(frozen=True)
class UpResult:
    """What ``region up`` left: where the region answers, what changed, and how long each stage took.

    ``urls`` goes by service, ``seconds`` by stage in the order they ran. ``changed_tasks`` counts Ansible's
    changes over all nodes; ``deployed`` says whether any node's services were worked on.
    """

    region: str
    vip: str
    nodes: tuple[str, ...]
    urls: Mapping[str, str]
    config: str
    changed_tasks: int
    deployed: bool
    seconds: Mapping[str, float]


class _Clock:
    """A reporter that notes how long each stage took and passes everything on."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self.seconds: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        if event.kind in ("done", "failed"):
            self.seconds[event.stage] = round(event.seconds, 2)
        self._report(event)


def region_up(
    context: RegionContext, report: Reporter, *, reconfigure: bool = False, may_destroy: bool = True
) -> UpResult:
    """Bring the region up. Run it again after a kill, or when fleet.yaml changed: it goes on from what is there.

    ``reconfigure`` runs Ansible on every node even if nothing asks for it. Raises any DuError; Busy when
    another du-infra works on the region, Refused for nodes that would leave, unless they ``may_destroy``.
    """
    with locked(context, report):
        if not may_destroy and (names := leaving(context)):
            todo = f"`du-infra region plan {context.name}` says why; run it again to be asked, or allow it"
            raise Refused("would be drained and destroyed", where=", ".join(names), todo=todo)
        return bring_up(context, report, reconfigure=reconfigure)


def bring_up(context: RegionContext, report: Reporter, *, reconfigure: bool = False, live: bool = False) -> UpResult:
    """``region_up`` for a caller that holds the region's lock.

    ``live``: services stay at the release that serves, whatever fleet.yaml says now; for who asks for other nodes.
    """
    clock = _Clock(report)
    if (scaled := context.scaled) and not holds(context.spec.pool, scaled):
        # fleet.yaml has had its word since; should it say again what it said then, the scale is not to come back
        context.store.forget_pool_wish(context.name)
    context.store.event(context.name, "up", "started")
    served, config = _run(context, clock, reconfigure, live)
    context.store.event(context.name, "up", f"ready with configuration {config}")
    return UpResult(
        region=context.name,
        vip=served.record.vip,
        nodes=tuple(node.name for node in served.record.nodes),
        urls={name: service_url(service, served.record.vip) for name, service in context.services.items()},
        config=config,
        changed_tasks=served.changed_tasks,
        deployed=served.deployed.changed,
        seconds=clock.seconds,
    )


def _run(context: RegionContext, report: Reporter, reconfigure: bool, live: bool) -> tuple[Served, str]:
    resolved = prepare(context, report, live=live)
    with stage(report, MACHINES, f"{context.wish.nodes} x {context.wish.size}"):
        dismiss(context, report, hear=not live)
        record = bring_machines(context, report)
    served = serve(context, record, resolved, report, reconfigure=reconfigure)
    if going := served.record.going:
        with stage(report, LEAVE, ", ".join(going)):
            served = replace(served, record=leave_nodes(context, served.record, going, report))
    with stage(report, VERIFY, f"http://{served.record.vip}/readyz"):
        config = verify_region(served.record.vip, served.deployed.configs, context.services)
    return served, config
