"""The bridge that nodes and VIPs live on; LXD makes it, and runs DHCP and DNS (dnsmasq) for it."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from du_infra.engines.daemon import command_line, gone, process_ids, tell
from du_infra.engines.lxd import Lxd
from du_infra.engines.process import run
from du_infra.errors import Refused
from du_infra.pool.lxd.site import MARK, Site
from du_infra.progress import Event, Reporter

_SYS = Path("/sys/class/net")
_LEASE_KEY = "ipv4.dhcp.expiry"
_LARGEST_NETWORK = 8


def config(site: Site) -> dict[str, str]:
    """What the bridge must be."""
    return {
        "ipv4.address": f"{site.gateway}/{site.network.prefixlen}",
        "ipv4.nat": "true",
        "ipv4.dhcp.ranges": "-".join(site.dhcp),
        "ipv6.address": "none",
        "dns.domain": site.domain,
        "raw.dnsmasq": f"address=/{site.registry_name}/{site.gateway}",
        MARK: "true",
    }


def ensure(lxd: Lxd, site: Site, report: Reporter) -> None:
    """Have the bridge as ``config`` says. Raises Refused when its name or its addresses are somebody else's."""
    found = lxd.find(f"/1.0/networks/{site.bridge}")
    if found is None or not found["managed"]:
        refuse_taken_addresses(site)
        clear_stale(site, report)
        report(Event("step", "local cloud", f"making the bridge {site.bridge}"))
        wanted = {"name": site.bridge, "type": "bridge", "config": config(site)}
        lxd.query("/1.0/networks", "POST", wanted)
        return
    if found["config"].get(MARK) != "true":
        raise Refused(
            f"LXD has a network called {site.bridge} that du-infra did not make",
            where="LXD",
            todo=f"rename it (`lxc network rename {site.bridge} …`), then run the same command again",
        )
    _repair(lxd, site, found["config"])


def refuse_taken_addresses(site: Site) -> None:
    """Raise Refused when this machine already routes our addresses elsewhere."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "main"], what="read the routes"))
    if taken := route_in_the_way(routes, site):
        raise Refused(
            f"the addresses {site.network} are in use: {taken['dst']} goes to {taken.get('dev', 'a route')}",
            where="this machine's routes",
            todo=f"remove that network or VPN ({taken.get('dev', taken['dst'])}), then run the same command again",
        )


def route_in_the_way(routes: Sequence[dict[str, Any]], site: Site) -> dict[str, Any] | None:
    """The first of ``ip -json route``'s routes that leads some of our addresses to a network elsewhere.

    A default route does not: the bridge's own is narrower. Neither do its parts, by which a VPN overrides the default
    route (0.0.0.0/1 and 128.0.0.0/1, or smaller ones): no network is larger than a /8.
    """
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == site.bridge:
            continue
        network = IPv4Network(route["dst"], strict=False)
        if network.prefixlen >= _LARGEST_NETWORK and network.overlaps(site.network):
            return route
    return None


def clear_stale(site: Site, report: Reporter) -> None:
    """Remove a bridge of our name that an LXD daemon left behind, with its dnsmasq.

    Raises Refused when it is no such thing: another daemon still runs it, something is plugged into it, or
    it is not a bridge with our address.
    """
    if not (_SYS / site.bridge).exists():
        return
    servers = dnsmasq_of(site.bridge)
    _refuse_living_bridge(site, servers)
    report(Event("step", "local cloud", f"removing the stale bridge {site.bridge}"))
    for pid in servers:
        tell(pid, signal.SIGTERM)
        gone(pid, 5)
    run(["ip", "link", "delete", site.bridge], what=f"remove the stale bridge {site.bridge}")


def dnsmasq_of(bridge: str) -> list[int]:
    """The processes that serve DHCP and DNS on ``bridge`` for an LXD."""
    return [
        pid
        for pid in process_ids()
        if f"--interface={bridge}" in (words := command_line(pid)) and "dnsmasq" in words[0]
    ]


def owner_of(bridge: str, server: int) -> Path | None:
    """The state folder of the LXD that started this dnsmasq."""
    for word in command_line(server):
        folder, found, _ = word.partition(f"/networks/{bridge}/dnsmasq.leases")
        if found:
            return Path(folder.partition("=")[2])
    return None


def _refuse_living_bridge(site: Site, servers: list[int]) -> None:
    for server in servers:
        folder = owner_of(site.bridge, server)
        if folder and Lxd("lxc", "lxd", folder).answers():
            raise Refused(
                f"the bridge {site.bridge} belongs to another LXD daemon",
                where=str(folder),
                todo=f"use that daemon (LXD_DIR={folder}), or remove its network {site.bridge}",
            )
    plugged = sorted(port.name for port in (_SYS / site.bridge).glob("brif/*"))
    if plugged:
        raise Refused(
            f"the bridge {site.bridge} is not of this LXD, and {len(plugged)} interface(s) are plugged into it",
            where=", ".join(plugged),
            todo="start the LXD daemon they belong to, or stop their instances, then run the same command again",
        )
    links = json.loads(run(["ip", "-json", "-4", "address", "show", "dev", site.bridge], what="read addresses"))
    ours = [a for link in links for a in link.get("addr_info", []) if a["local"] == site.gateway]
    if not ours or not (_SYS / site.bridge / "bridge").exists():
        raise Refused(
            f"this machine has an interface {site.bridge} that du-infra did not make",
            where=site.bridge,
            todo=f"rename or remove it (`ip link delete {site.bridge}`), then run the same command again",
        )


def _repair(lxd: Lxd, site: Site, found: dict[str, str]) -> None:
    wanted = config(site)
    changed = {key: value for key, value in wanted.items() if found.get(key) != value}
    if not (_SYS / site.bridge).exists() or not dnsmasq_of(site.bridge):
        # LXD sets a network up again only when a setting changes: flip one that means nothing (1h is the default).
        changed[_LEASE_KEY] = "" if found.get(_LEASE_KEY) else "1h"
    if changed:
        lxd.query(f"/1.0/networks/{site.bridge}", "PATCH", {"config": changed})
