"""What du-node is told about its node: its gateway, its runtime, its peers, the region's address.

The role that puts du-node here writes it: {"gateway", "runtime", "peers": [{"name", "address"}], "vip", "interface"}.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

from du_node import places

GATEWAY, RUNTIME = "nginx", "containerd"


def gateway() -> str:
    """The kind of gateway, for example "nginx"."""
    return _setting("gateway", GATEWAY)


def runtime() -> str:
    """The kind of runtime, for example "containerd"."""
    return _setting("runtime", RUNTIME)


def peers(told: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
    """(name, address) of the region's other nodes, as ``told`` (or the file) says, in the order of their names."""
    found = (_read() if told is None else told).get("peers") or ()
    return sorted((str(item["name"]), str(item["address"])) for item in found)


def is_local(address: str) -> bool:
    """Whether an IPv4 address is one of this node's, on whatever interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        try:
            link.bind((address, 0))
        except OSError:
            return False
    return bool(address)


def vip(told: Mapping[str, Any] | None = None) -> str:
    """The region's address without its prefix length; empty where the role did not say it."""
    return str((_read() if told is None else told).get("vip", "")).partition("/")[0]


def interface() -> str:
    """The interface that the region's address sits on."""
    return _setting("interface", "eth0")


def _setting(name: str, default: str) -> str:
    return str(_read().get(name, default))


def _read() -> dict[str, Any]:
    try:
        with open(places.SETTINGS, encoding="utf-8") as file:  # noqa: PTH123 - serve has no pathlib in memory
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
