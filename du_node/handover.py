"""The region's address on its way from one node to another, without a connection that is cut.

TCP connections stay with the node that took them. A node that gives the address up keeps it on its loopback, answers no
ARP for it, and so can go on with what it has; the node that takes the address sends there what belongs to no connection
of its own.
"""

from __future__ import annotations

import json
from typing import Any

from du_node import settings
from du_node.command import run


def holds_vip() -> bool:
    """Whether this node holds the region's address, for everybody on its network."""
    address, interface = settings.vip(), settings.interface()
    return bool(address) and address in _addresses(interface)


def _addresses(interface: str) -> set[str]:
    done = run(["ip", "-j", "address", "show", "dev", interface])
    try:
        found: list[dict[str, Any]] = json.loads(done.out or "[]")
    except ValueError:
        return set()
    return {item["local"] for link in found for item in link.get("addr_info", ()) if "local" in item}
