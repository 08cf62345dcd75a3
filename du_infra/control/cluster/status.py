"""How a region's cluster stands, for ``region status``: looks, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from du_infra.cluster.plan import plan_membership
from du_infra.cluster.survives import survives
from du_infra.control.cluster.observe import Look, look
from du_infra.control.cluster.wish import wish_of
from du_infra.control.context import RegionContext
from du_infra.errors import DuError
from du_infra.health.state import RegionStatus
from du_infra.pool.plan import PoolRecord
from du_infra.progress import silent
from du_infra.spec.k3s import K3sSpec


@dataclass(frozen=True)
class Standing:
    """``survives``: in words, which losses the control plane bears. ``why``: what is not as wanted."""

    survives: str = ""
    why: tuple[str, ...] = ()


def standing(context: RegionContext, record: PoolRecord) -> Standing:
    """The cluster of the region's nodes now. A provider that does not answer is a reason, and no error."""
    try:
        context.provider.connect()
        seen = look(context, record, silent)
    except DuError as error:
        return Standing(why=(f"cluster: {error}",))
    return told(seen, context.spec.k3s, record)


def told(seen: Look, k3s: K3sSpec, record: PoolRecord) -> Standing:
    """What a look amounts to. Pure."""
    plan = plan_membership(wish_of(k3s, record, seen), seen.observed)
    staying = {node.name for node in record.staying}
    open_steps = [f"{a.node}: {a.kind.replace('-', ' ')} ({a.why})" for a in plan.step if a.node in staying]
    words = [*open_steps, *plan.waits]
    heard = [f"{name}: {why}" for name, why in seen.why.items() if words]
    return Standing(survives(seen.observed), tuple(f"cluster: {text}" for text in (*words, *heard)))


def with_cluster(status: RegionStatus, found: Standing) -> RegionStatus:
    """``status`` with what is known of the cluster: a region whose cluster is not as wanted is not ready."""
    plane = f"control plane: {found.survives}" if found.survives else ""
    several = status.survives if len(status.nodes) > 1 else ""  # of one node the control plane's words say it all
    return replace(
        status,
        ready=status.ready and not found.why,
        why=(*status.why, *found.why),
        survives="; ".join(filter(None, [several, plane])),
    )
