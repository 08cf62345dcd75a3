"""What is done to a world, and undone: on its nodes, and to what one process of this machine may reach."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.gtm.globe import Globe
from tests.region.conftest import lxc

CUT_OFF_GROUP = 54321
"""A group that nobody has: sockets of the controller that is to be cut off are told apart by it."""
_TABLE = "du_test_gtm"


def stop_machine(globe: Globe, region: str) -> None:
    lxc("stop", "--force", globe.node(region).name)


def start_machine(globe: Globe, region: str) -> None:
    lxc("start", globe.node(region).name)


def kill_gateway(globe: Globe, region: str) -> None:
    """Its processes; whoever minds the node may start them again."""
    globe.on(region, "systemctl", "kill", "-s", "KILL", "nginx")


def end_gateway(globe: Globe, region: str) -> None:
    """Its processes, and nobody can start them again."""
    globe.on(region, "systemctl", "mask", "--runtime", "--now", "nginx")


def mend_gateway(globe: Globe, region: str) -> None:
    globe.on(region, "systemctl", "unmask", "--runtime", "nginx")
    globe.on(region, "systemctl", "start", "nginx")


def freeze_machine(globe: Globe, region: str) -> None:
    """Everything on it stands still: it takes connections that nobody answers."""
    lxc("pause", globe.node(region).name)


def wake_machine(globe: Globe, region: str) -> None:
    lxc("start", globe.node(region).name)


@contextmanager
def blind(globe: Globe, observer: str, region: str) -> Iterator[None]:
    """A region's node does not reach another region."""
    route = ("blackhole", f"{globe.addresses[region]}/32")
    globe.on(observer, "ip", "route", "add", *route)
    try:
        yield
    finally:
        globe.on(observer, "ip", "route", "del", *route)


@contextmanager
def cut_off(globe: Globe, region: str) -> Iterator[None]:
    """Processes of the group reach neither the region's address nor its node; all others do."""
    where = ", ".join((globe.addresses[region], globe.node(region).address))
    rules = (
        f"table inet {_TABLE} {{\n chain out {{\n  type filter hook output priority 0;\n"
        f"  meta skgid {CUT_OFF_GROUP} ip daddr {{ {where} }} drop;\n }}\n}}\n"
    )
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", _TABLE], check=True)
