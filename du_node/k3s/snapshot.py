"""What K3s's etcd keeps, as it writes it out itself: consistent, and with a checksum at its end.

Source: docs.k3s.io, "k3s etcd-snapshot": in db/snapshots, named by what was asked for, the Node and the time;
K3s forgets one that is gone from there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from du_node.command import run
from du_node.errors import NodeError
from du_node.k3s import files

_NAME = "du-infra"
_SECONDS = 300.0


def copy_snapshot(target: Path) -> None:
    """Have etcd write out its data into ``target``. Raises NodeError tool with K3s's last words."""
    folder = Path(files.DATA, "server/db/snapshots")
    for left in folder.glob(f"{_NAME}-*"):
        left.unlink()
    done = run(["k3s", "etcd-snapshot", "save", "--name", _NAME], timeout=_SECONDS)
    made = sorted(folder.glob(f"{_NAME}-*"))
    if done.code != 0 or not made:
        tail = "\n".join((done.err or done.out).strip().splitlines()[-5:])
        raise NodeError("tool", "etcd has not written out its data", todo="see the journal of k3s.service", detail=tail)
    shutil.move(made[-1], target)
