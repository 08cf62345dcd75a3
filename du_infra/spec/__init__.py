"""fleet.yaml: from a file to checked, frozen models, and every mistake by line and column.

>>> fleet = load_spec(Path("fleet.yaml"))
>>> services_of(fleet, "home")["hello"].start_timeout.seconds
60.0
"""

from du_infra.spec.autoscale import AutoscaleSpec
from du_infra.spec.complaints import Problem
from du_infra.spec.heal import HealSpec
from du_infra.spec.k3s import K3sSpec
from du_infra.spec.load import Checked, check_spec, load_spec, region_of, services_of, spec_error
from du_infra.spec.models import FleetSpec, PoolSpec, RegionSpec, ServiceSpec
from du_infra.spec.notify import HookSpec
from du_infra.spec.release import ReleaseSpec
from du_infra.spec.replicas import ReplicasSpec
from du_infra.spec.schema import json_schema
from du_infra.spec.traffic import TrafficSpec
from du_infra.spec.values import CutAfter, Duration, Memory, Percent, Size

__all__ = [
    "AutoscaleSpec",
    "Checked",
    "CutAfter",
    "Duration",
    "FleetSpec",
    "HealSpec",
    "HookSpec",
    "K3sSpec",
    "Memory",
    "Percent",
    "PoolSpec",
    "Problem",
    "RegionSpec",
    "ReleaseSpec",
    "ReplicasSpec",
    "ServiceSpec",
    "Size",
    "TrafficSpec",
    "check_spec",
    "json_schema",
    "load_spec",
    "region_of",
    "services_of",
    "spec_error",
]
