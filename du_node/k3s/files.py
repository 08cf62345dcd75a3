"""K3s's files on this node: what we write for it to join, and what it leaves behind.

Source: docs.k3s.io, "Configuration file": config.yaml is read first, then the files of config.yaml.d in the order of
their names; "Cluster datastore" for the folders of a server.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Literal, TypeAlias

from du_node import files

Role: TypeAlias = Literal["", "server", "agent"]

CONFIG = "/etc/rancher/k3s/config.yaml"
"""Ours: JSON, which is YAML too. It holds a token, so it is for root alone."""

SERVER_KEYS = "/usr/local/lib/du-infra/k3s-server.yaml"
"""What only a server may be told; the role that installs K3s lays it down on every node."""

ENDPOINT, ETCD = "datastore-endpoint", "cluster-init"
LINK = f"{CONFIG}.d/20-server.yaml"
DATA = "/var/lib/rancher/k3s"
_ETCD_DATA = "server/db/etcd"
REGISTRIES = "/etc/rancher/k3s/registries.yaml"
UNITS, DEFAULTS = "/etc/systemd/system", "/etc/default"


def role() -> Role:
    """What K3s on this node is set up as; "" when it is not."""
    if not Path(CONFIG).exists():
        return ""
    return "server" if Path(LINK).is_symlink() else "agent"


def server() -> str:
    """The address of the cluster that this node was told to join; "" where it was told none."""
    return str(files.read_json(CONFIG).get("server") or "")


def set_up(wanted: Role, server: str, token: str, endpoint: str = "", *, etcd: bool = False) -> None:
    """Have K3s be a server or an agent when it starts next. Killed in between it is as if it had not been set up.

    ``endpoint``: the address of an external datastore, with its password. ``etcd``: who begins a cluster keeps
    its data there. Raises NodeError no-room.
    """
    forget()
    link = Path(LINK)
    if wanted == "server":
        link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        link.symlink_to(SERVER_KEYS)
    _tell({"server": server, "token": token, ENDPOINT: endpoint, ETCD: etcd})


def endpoint() -> str:
    """The external datastore that K3s on this node is told of; "" for none."""
    return str(files.read_json(CONFIG).get(ENDPOINT) or "")


def move_to(endpoint: str) -> None:
    """Tell K3s another address of its external datastore, which it reads when it starts next."""
    _tell({**files.read_json(CONFIG), ENDPOINT: endpoint})


def move_to_etcd(wanted: bool) -> None:
    """Tell K3s to begin its own etcd when it starts next, or not to."""
    _tell({**files.read_json(CONFIG), ETCD: wanted})


def stand_alone() -> None:
    """Tell K3s of no other server: what it has in its own etcd is the cluster."""
    _tell({**files.read_json(CONFIG), "server": "", ETCD: True})


def _tell(told: dict[str, str | bool]) -> None:
    files.write(CONFIG, json.dumps({key: value for key, value in told.items() if value}, indent=2) + "\n")


def forget() -> None:
    """K3s on this node is set up as nothing."""
    Path(CONFIG).unlink(missing_ok=True)
    Path(LINK).unlink(missing_ok=True)


def newer_than(start: float, unit: str, wanted: Role) -> list[str]:
    """The roles' files that K3s reads when it starts, and that were written after ``start`` (unix seconds).

    K3s writes files of its own beside them, at every start.
    """
    read = [REGISTRIES, f"{UNITS}/{unit}", f"{DEFAULTS}/{unit.removesuffix('.service')}"]
    read += [f"{CONFIG}.d/10-du-infra.yaml", f"{DATA}/agent/etc/kubelet.conf.d/10-du-infra.conf"]
    read += [LINK] if wanted == "server" else []
    read += [CONFIG] if endpoint() else []  # of another password K3s may not have been told yet
    there = [path for path in map(Path, read) if path.exists()]
    return sorted(str(path) for path in there if path.stat().st_mtime > start)


def datastore() -> str:
    """What this server keeps the cluster's data in; "" when nothing is known of any."""
    if endpoint():
        return "external"
    if has_etcd():
        return "etcd"
    return "sqlite" if Path(DATA, "server/db/state.db").exists() else ""


def has_etcd() -> bool:
    """Whether etcd has begun here: K3s goes on with it then, whatever its configuration says."""
    return Path(DATA, _ETCD_DATA, "member/wal").is_dir()


def forget_etcd() -> None:
    """Have nothing left of what etcd keeps here. K3s must not run."""
    shutil.rmtree(Path(DATA, _ETCD_DATA), ignore_errors=True)


def has_joined() -> bool:
    """Whether a cluster has ever taken this node in: its kubelet has got a certificate then."""
    return os.path.exists(Path(DATA, "agent/client-kubelet.crt"))  # noqa: PTH110 - a broken link counts as none
