"""The region as a release finds it, and what keeps one from beginning."""

from __future__ import annotations

from dataclasses import dataclass

from du_infra.control.context import RegionContext
from du_infra.control.release.nodes import SshNodes
from du_infra.control.release.rows import lease_of
from du_infra.errors import NotReady, Refused, SpecError
from du_infra.health.state import NodeReport
from du_infra.release.rollout import in_order
from du_infra.release.secrets import Secrets
from du_infra.release.state import Rollout
from du_infra.spec import ServiceSpec
from du_infra.spec.suggest import did_you_mean
from du_infra.store.leases import busy


@dataclass(frozen=True)
class Site:
    """A region that is up: its VIP, and how its nodes are, the one that holds the VIP first."""

    vip: str
    reports: tuple[NodeReport, ...]


def service_of(context: RegionContext, name: str) -> ServiceSpec:
    """A service of the region. Raises SpecError, which names those there are."""
    if name in context.services:
        return context.services[name]
    names = list(context.services)
    todo = did_you_mean(name, names) or f"services of region {context.name}: {', '.join(names) or 'none'}"
    raise SpecError(f"there is no service {name}", where=f"region {context.name}", todo=todo)


def nodes(context: RegionContext, secrets: Secrets) -> SshNodes:
    """The region's nodes over SSH. Raises Refused when the region is not up."""
    return SshNodes(context, context.must_be_up(), secrets)


def ready(context: RegionContext, service: str) -> Site:
    """Look at the region, in which a release of ``service`` is to begin.

    Raises Busy when one is at work, Refused when one was not brought to its end.
    """
    driver = nodes(context, Secrets())
    free(context, service)
    record = context.store.pool(context.name)
    order = in_order([node.name for node in record.staying], driver.front())
    return Site(record.vip, tuple(driver.look(order)))


def free(context: RegionContext, service: str) -> None:
    """Raises Busy when a release of ``service`` is at work; Refused when one there, or one beside it, is open."""
    open_rows = context.store.rollouts.open(context.name)
    for name, row in open_rows.items():
        holder = context.store.leases.holder(lease_of(context, name))
        if name == service and holder:
            raise busy(lease_of(context, name), holder)
        if not holder and (name == service or row.state != "held"):
            raise unfinished(row)
    if holder := context.store.leases.holder(lease_of(context, service)):
        raise busy(lease_of(context, service), holder)


def unfinished(row: Rollout) -> Refused:
    """The error for a release that has to be ended first."""
    if row.state == "held":
        what, todo = "is held on its preview", f"`du-infra release promote {row.service}`, or abort"
    else:
        what, todo = "was cut off", f"`du-infra release resume {row.service}` goes on, abort goes back"
    return Refused(f"the release of {row.service} {row.release} {what}", where=f"region {row.region}", todo=todo)


def not_ready(context: RegionContext, why: str) -> NotReady:
    """The error for a region in which nothing may begin."""
    todo = f"`du-infra region status {context.name}` tells more, `du-infra region up {context.name}` mends it"
    return NotReady(why, where=f"region {context.name}", todo=todo)
