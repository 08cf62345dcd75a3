"""Which services of which regions are rendered, and to where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from du_infra.errors import Refused, SpecError
from du_infra.gitops.tree import Files, helm, kustomize
from du_infra.gitops.write import WritePlan, write
from du_infra.spec import FleetSpec, ServiceSpec, region_of, services_of
from du_infra.spec.suggest import did_you_mean

_KINDS: Mapping[str, Callable[[FleetSpec, Mapping[str, Mapping[str, ServiceSpec]]], Files]] = {
    "kustomize": kustomize,
    "helm": helm,
}


def render(
    fleet: FleetSpec, kind: str, folder: Path, *, regions: Sequence[str] = (), services: Sequence[str] = ()
) -> WritePlan:
    """Write the objects of ``services`` in ``regions`` (of all, in all with K3s) as files; what was done.

    ``kind``: "kustomize" or "helm". Raises SpecError for names that there are not and a folder that cannot be written,
    Refused for regions without a cluster and files of others.
    """
    return write(folder, _KINDS[kind](fleet, _chosen(fleet, regions, services)), kind)


def _chosen(fleet: FleetSpec, regions: Sequence[str], services: Sequence[str]) -> dict[str, dict[str, ServiceSpec]]:
    for name in services:
        if name not in fleet.services:
            todo = did_you_mean(name, list(fleet.services)) or f"services of {fleet.fleet}: {', '.join(fleet.services)}"
            raise SpecError(f"there is no service {name}", where=f"fleet {fleet.fleet}", todo=todo)
    for name in regions:
        if region_of(fleet, name).runtime != "k3s":
            raise Refused("it runs no Kubernetes", where=f"region {name}", todo="choose a region with runtime: k3s")
    names = [name for name, spec in fleet.regions.items() if spec.runtime == "k3s" and (not regions or name in regions)]
    if not names:
        raise Refused("no region has runtime: k3s", where=f"fleet {fleet.fleet}", todo="give one with --region")
    return {
        name: {known: spec for known, spec in services_of(fleet, name).items() if not services or known in services}
        for name in names
    }
