"""What Ansible is told of K3s, for regions that run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.engines import k3s

# Providers whose machines all sit on one layer 2: pods of other nodes are reached over plain routes there, and no
# tunnel costs memory and time. Elsewhere routers between the machines may drop what is for pods.
_ONE_LAYER_2 = ("lxd",)


def variables(context: RegionContext) -> dict[str, Any]:
    """The variables of the roles k3s, k3s_server and k3s_agent; none for another runtime.

    ``sums`` is no role's: it has the configuration's hash change with the files in the folder. What the folder lacks is
    said when something is to be done with it.
    """
    if context.spec.runtime != "k3s":
        return {}
    folder = folder_of(context)
    lists = sorted(folder.glob(k3s.LISTS)) if folder else []
    return {
        "du_k3s": {
            "version": context.spec.k3s.version,
            "folder": str(folder or ""),
            "flannel": "host-gw" if context.spec.provider in _ONE_LAYER_2 else "vxlan",
            "metrics_server": context.spec.k3s.metrics_server,
            "sums": {path.name: k3s.sums_of(path) for path in lists},
        }
    }


def check(context: RegionContext) -> None:
    """See that the region's folder with K3s's files is whole, before anything is made. Quick. Raises SpecError."""
    if context.spec.runtime == "k3s" and (folder := folder_of(context)):
        k3s.check_folder(folder)


def verify(context: RegionContext) -> None:
    """See that each of those files is the right one, before a node is touched. Raises SpecError, Refused."""
    if context.spec.runtime == "k3s" and (folder := folder_of(context)):
        k3s.verify_folder(folder)


def folder_of(context: RegionContext) -> Path | None:
    """Where the files of K3s's release are; None when they are to be downloaded."""
    named = context.spec.k3s.folder
    return None if named is None else (context.folder / Path(named).expanduser()).resolve()
