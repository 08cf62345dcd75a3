"""What the kernel of this machine gives to its users, and the nodes need more of.

Nodes are privileged containers: the root of all of them is one user to the kernel, which counts inotify instances by
user. systemd and its services take about twelve on each node, so that the usual limit of 128 lets ten nodes run: the
next one comes up half-way, without SSH (inotify(7), "/proc interfaces").
"""

from __future__ import annotations

from pathlib import Path

from du_infra.progress import Event, Reporter

ENOUGH = 1024
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


def ensure(report: Reporter, limit: Path = _LIMIT) -> None:
    """Raise the limit where it is too low; where that is not allowed, say so."""
    if int(limit.read_text()) >= ENOUGH:
        return
    report(Event("step", "local cloud", f"fs.inotify.max_user_instances = {ENOUGH}, for more than ten nodes"))
    try:
        limit.write_text(f"{ENOUGH}\n")
    except OSError:
        words = f"this machine lets about ten nodes run: set fs.inotify.max_user_instances to {ENOUGH}"
        report(Event("warning", "local cloud", words))
