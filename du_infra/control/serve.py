"""From machines that are there to nodes that serve; who made the machines is somebody else's matter."""

from __future__ import annotations

from dataclasses import dataclass, replace

from du_infra.control import configure_k3s
from du_infra.control.cluster import datastore
from du_infra.control.cluster.loop import STAGE as CLUSTER
from du_infra.control.cluster.loop import has_cluster, settle
from du_infra.control.configure import STAGE as CONFIGURE
from du_infra.control.configure import configure_nodes
from du_infra.control.context import RegionContext
from du_infra.control.copies import settle as settle_copies
from du_infra.control.join import STAGE as BOOT
from du_infra.control.join import join_nodes
from du_infra.control.leave import RETURN, configurable, part_with, staying, take_back
from du_infra.control.observe import observe_nodes
from du_infra.control.release.resolve import Resolved, resolve, resolve_live
from du_infra.control.services import STAGE as SERVICES
from du_infra.control.services import Deployed, deploy
from du_infra.pool.plan import PoolRecord
from du_infra.pool.room import check_size
from du_infra.progress import Reporter, stage

CLOUD = "cloud"


@dataclass(frozen=True)
class Served:
    """The pool as it is then, how many tasks of Ansible changed something, and what the services stage left."""

    record: PoolRecord
    changed_tasks: int
    deployed: Deployed


def prepare(context: RegionContext, report: Reporter, *, live: bool) -> Resolved:
    """Have the cloud stand, and know which release each service should run; ``live``: the one that serves.

    Raises SpecError for machines larger than there can be, and for files of K3s that are not there.
    """
    check_size(context.name, context.spec.pool.size, context.provider.room())
    if has_cluster(context):
        configure_k3s.check(context)
        datastore.check(context)
    with stage(report, CLOUD, context.spec.provider):
        context.provider.prepare(report)
        if context.services:
            context.provider.prepare_images(_images(context), report)
        return resolve_live(context) if live else resolve(context)


def serve(
    context: RegionContext, record: PoolRecord, resolved: Resolved, report: Reporter, *, reconfigure: bool = False
) -> Served:
    """Have every node that stays answer, be configured, run its services and take requests.

    ``reconfigure`` runs Ansible on every node even if nothing asks for it. Raises any DuError.
    """
    with stage(report, BOOT):
        record = join_nodes(context, record, report)
    with stage(report, CONFIGURE):
        seen = observe_nodes(context, context.living(record.nodes))
        reports = staying(record, seen)
        known = part_with(context, record, seen, report)
        changed = configure_nodes(context, known, configurable(known, seen), report, force=reconfigure)
    if has_cluster(context):
        with stage(report, CLUSTER):
            settle(context, record, report)
    with stage(report, SERVICES):
        if changed or has_cluster(context):
            reports = observe_nodes(context, context.living(record.staying))
        deployed = deploy(context, record, reports, resolved, report)
        if settle_copies(context, record, report):
            deployed = replace(deployed, changed=True)
    if record.returning:
        with stage(report, RETURN, ", ".join(record.returning)):
            record = take_back(context, record, report)
    return Served(record, changed, deployed)


def _images(context: RegionContext) -> dict[str, list[str]]:
    images: dict[str, list[str]] = {}
    for service in context.services.values():
        images.setdefault(service.image, []).append(service.tag)
    return images
