"""What LXD knows about instances, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from du_infra.pool.lxd.site import MARK
from du_infra.pool.state import Machine


def machine(instance: Mapping[str, Any]) -> Machine:
    """One instance of ``GET /1.0/instances?recursion=1``."""
    config: Mapping[str, str] = instance.get("expanded_config") or instance["config"]
    devices: Mapping[str, Mapping[str, str]] = instance.get("expanded_devices") or instance["devices"]
    addresses = [device["ipv4.address"] for device in devices.values() if device.get("ipv4.address")]
    vip = config.get(f"{MARK}.vip", "")
    if vip and vip not in addresses:
        addresses.append(vip)
    return Machine(
        name=instance["name"],
        status=instance["status"].lower(),
        addresses=tuple(address.partition("/")[0] for address in addresses if address != "none"),
        owner=config.get(f"{MARK}.owner", ""),
        fleet=config.get(f"{MARK}.fleet", ""),
        region=config.get(f"{MARK}.region", ""),
    )
