"""How K3s stands on this node: what it is, whether it runs, and on a server what its cluster looks like."""

from __future__ import annotations

import time
from typing import Any

from du_node.errors import NodeError
from du_node.k3s import files, unit, words
from du_node.k3s.etcd import etcd
from du_node.k3s.move import migration, moved_s
from du_node.k3s.upgrade import PROGRAM, version
from du_node.k3s.view import cluster

_LOOK_BACK_SECONDS = 120.0


def state() -> dict[str, Any]:
    """{"role", "service", "server", "up_s", "stale", "datastore", "etcd", "migration", "moved_s", "joined", "version",
    "cluster", "why"}.

    "server": the address of the server that an agent goes by. "up_s": seconds since the service came up. "stale": the
    files that were changed since its program started and are read at its start. "etcd": null unless this server's
    data is there (du_node.k3s.etcd). "migration": how the move of its data to etcd went, if not well: "failed" or
    "undone"; "moved_s": seconds since it went well, or null. "version": of the program, where K3s is set up as nothing.
    "cluster": null unless this is a server and the API answers. "why": what keeps K3s from running, or the API from
    answering.
    """
    role = files.role()
    service = unit.service(role) if role else "stopped"
    told: dict[str, Any] = {"role": role, "service": service, "joined": files.has_joined()}
    told["server"] = files.server() if role == "agent" else ""
    told["version"] = "" if role else version(PROGRAM)
    up, running = unit.seconds_up(role) if role else (0.0, 0.0)
    told["up_s"] = round(up, 1)
    told["stale"] = files.newer_than(time.time() - running, unit.UNITS[role], role) if role and running else []
    told |= {"datastore": files.datastore() if role == "server" else "", "cluster": None, "why": ""}
    runs = service in ("running", "starting")
    told["etcd"] = etcd() if told["datastore"] == "etcd" and runs else None
    told["migration"] = migration() if role == "server" else ""
    told["moved_s"] = moved_s() if role == "server" else None
    if role == "server" and runs:
        try:
            told["cluster"] = cluster()
        except NodeError as trouble:
            told["why"] = trouble.what
    if role and service in ("starting", "failed"):
        told["why"] = words.trouble(unit.journal(role, time.time() - _LOOK_BACK_SECONDS)) or told["why"]
    return told
