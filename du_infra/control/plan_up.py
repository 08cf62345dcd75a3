"""``region plan``: what ``region up`` would do. Where nothing of the fleet was ever up, nothing is left behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from du_infra.control import configure_k3s
from du_infra.control.cluster import datastore
from du_infra.control.cluster.servers import has_cluster
from du_infra.control.context import RegionContext
from du_infra.control.region_plan import RegionPlan
from du_infra.control.status import region_plan
from du_infra.pool.room import check_size


def plan_up(context: RegionContext) -> RegionPlan:
    """What ``region_up`` would do now; changes nothing. Raises what it does before it changes anything."""
    check_size(context.name, context.spec.pool.size, context.provider.room())
    if has_cluster(context):
        configure_k3s.check(context)
        datastore.check(context)
    if context.is_begun:
        return region_plan(context)
    with TemporaryDirectory(prefix="du-plan-") as folder:
        return region_plan(replace(context, scratch=Path(folder)))
