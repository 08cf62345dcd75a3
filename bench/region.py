"""How long a region takes to come up, again, and with three nodes; and what it costs a node."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import du_infra
from bench.report import Row, at_most
from du_infra.fleet import Fleet
from du_infra.parallel import each
from du_infra.pool.lxd import LxdProvider
from du_infra.pool.lxd.site import MARK
from du_infra.progress import silent

_RUNS = 10
_FLEET = """\
fleet: {fleet}
regions:
  one: {{provider: lxd}}
  three: {{provider: lxd, pool: {{nodes: 3}}}}
  five: {{provider: lxd, pool: {{nodes: 5}}}}
services:
  hello: {{image: registry.local:5000/hello, tag: v1, port: 8080}}
"""


def measure() -> list[Row]:
    """Wall times of whole runs with the node image cached, from one process."""
    LxdProvider().prepare(silent)
    floor = _by_hand()
    with _fleet() as fleet:
        first, stages = _up(fleet, "one")
        again, _ = _up(fleet, "one")
        status = fleet.region("one").status()
        overhead = _overhead(fleet)
        told = _status_ms(status.nodes[0].name)
        start = time.perf_counter()
        fleet.region("one").down()
        down = time.perf_counter() - start
        three, _ = _up(fleet, "three")
        fleet.region("three").down()
        five, _ = _up(fleet, "five")
    used = status.nodes[0].memory_used_mb or 0
    return [
        Row("a node by hand: create, boot, SSH greets (floor)", f"{floor:.1f} s"),
        at_most("`region up`, one node", first, 40, "s"),
        *(Row(f"… of which {name}", f"{seconds:.1f} s") for name, seconds in stages.items()),
        at_most("`region up` again, nothing to do", again, 6, "s"),
        Row("`region up`, three nodes", f"{three:.1f} s"),
        at_most("three nodes against one", three / first, 1.5, "times"),
        Row("`region up`, five nodes", f"{five:.1f} s"),
        at_most("five nodes against one", five / first, 1.5, "times"),
        Row(
            "five nodes by hand, at once, against one (floor: the machine's cores)", f"{_by_hand(5) / floor:.1f} times"
        ),
        Row("`region down`, one node", f"{down:.1f} s"),
        at_most("our share of a node's memory (containerd, nginx, keepalived, du-node)", overhead, 120, "MB"),
        at_most(f"`du-node status` on a node (mean of {_RUNS})", told, 300, "ms"),
        Row("a node's memory in use, service and system included", f"{used} MB"),
    ]


def _up(fleet: Fleet, region: str) -> tuple[float, Mapping[str, float]]:
    start = time.perf_counter()
    result = fleet.region(region).up()
    return time.perf_counter() - start, result.seconds


@contextmanager
def _fleet() -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fleet.yaml"
        file.write_text(_FLEET.format(fleet=f"bench{secrets.token_hex(3)}"), encoding="utf-8")
        fleet = du_infra.load(file)
        try:
            yield fleet
        finally:
            for region in fleet.regions:
                fleet.region(region).down()


def _overhead(fleet: Fleet) -> float:
    from du_infra.control.context import RegionContext
    from du_infra.control.observe import observe_nodes

    context = RegionContext(fleet.spec, "one", fleet.folder)
    (report,) = observe_nodes(context, context.store.pool("one").nodes)
    return float(report.memory["overhead_mb"])


def _status_ms(node: str) -> float:
    start = time.perf_counter()
    _run(["lxc", "exec", node, "-T", "--", "sh", "-c", f"for n in $(seq {_RUNS}); do du-node status >/dev/null; done"])
    return (time.perf_counter() - start) / _RUNS * 1000


def _by_hand(nodes: int = 1) -> float:
    """Seconds from `lxc init` to the last sshd's greeting, without Terraform or anything else of ours."""
    from du_infra.control.join import greets

    provider = LxdProvider()
    inputs = provider.terraform_vars()
    network = provider.network()
    names = [f"bench-floor-{secrets.token_hex(3)}" for _ in range(nodes)]
    addresses = [str(ip_address(network.last) - number) for number in range(nodes)]

    def make(one: tuple[str, str]) -> None:
        name, address = one
        command = ["lxc", "init", str(inputs["image"]), name]
        command += ["-s", str(inputs["storage_pool"]), "-n", str(inputs["network"])]
        limits = {"limits.cpu": "1", "limits.memory": "1GiB", "security.nesting": "true", "security.privileged": "true"}
        limits[f"{MARK}.owner"] = "bench"
        command += [part for key, value in limits.items() for part in ("-c", f"{key}={value}")]
        _run(command)
        _run(["lxc", "config", "device", "set", name, "eth0", f"ipv4.address={address}"])
        _run(["lxc", "start", name])
        while not greets(address):
            time.sleep(0.05)

    start = time.perf_counter()
    try:
        each(make, list(zip(names, addresses, strict=True)))
        return time.perf_counter() - start
    finally:
        for name in names:
            subprocess.run(["lxc", "delete", "--force", name], capture_output=True, check=False)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
