"""What befalls a node of a region of several, and what that may cost at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.region.conftest import lxc

Strike = Callable[[str], None]


@dataclass(frozen=True)
class NodeFault:
    """A fault of one node. Both bounds are in seconds.

    ``lost``: no more requests may be lost than arrive in that time (0: none at all). ``away``: the longest time without
    any good answer. ``mend`` is done by somebody after a while, where nobody but he could.
    """

    name: str
    strike: Strike
    lost: float
    away: float
    mend: Strike | None = None

    def __str__(self) -> str:
        return self.name


def _inside(script: str) -> Strike:
    return lambda node: _exec(node, script)


def _exec(node: str, script: str) -> None:
    lxc("exec", node, "-T", "--", "sh", "-c", script)


_FULL = """set -e
mkdir -p /mnt/full
mount -t tmpfs -o size=$(($(du -sk /var/lib/du-node | cut -f1) + 64))k tmpfs /mnt/full
cp -a /var/lib/du-node/. /mnt/full
yes > /mnt/full/fill 2>/dev/null || true
mount --bind /mnt/full /var/lib/du-node"""
"""What du-node writes from now on fails for want of room. A whole disk cannot be filled here: all nodes are on one."""

_CUT = """nft -f - <<'END'
table inet cut {
  chain in { type filter hook input priority -400; policy drop; }
  chain out { type filter hook output priority -400; policy drop; }
}
END"""

FAULTS = (
    NodeFault("power", lambda node: _quiet("stop", "--force", node), 3, 4),
    NodeFault("gone", lambda node: _quiet("delete", "--force", node), 3, 4),
    NodeFault("network", _inside(_CUT), 3, 4),
    NodeFault("disk", _inside(_FULL), 0, 1, _inside("umount -l /var/lib/du-node /mnt/full")),
    NodeFault("frozen", lambda node: _quiet("pause", node), 3, 4),
    NodeFault("frozen service", _inside("pkill -STOP -f [/]hello/app.py"), 3, 4),
    NodeFault("frozen gateway", _inside("pkill -STOP nginx || pkill -STOP envoy"), 3, 4),
    NodeFault("frozen du-node", _inside("kill -STOP $(systemctl show -p MainPID --value du-node)"), 0, 1),
    NodeFault("killed service", _inside("pkill -KILL -f [/]hello/app.py"), 3, 4),
    NodeFault("killed gateway", _inside("pkill -KILL nginx || pkill -KILL envoy"), 3, 4),
    NodeFault("killed runtime", _inside("pkill -KILL -x containerd"), 0, 1),
    NodeFault("killed keepalived", _inside("pkill -KILL keepalived"), 3, 4),
)


def _quiet(*arguments: str) -> None:
    lxc(*arguments)


def fault(name: str) -> NodeFault:
    """By name."""
    return next(one for one in FAULTS if one.name == name)
