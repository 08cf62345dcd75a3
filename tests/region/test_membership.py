"""A region of two nodes: what each knows of the other, and what a client notices when one of them goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from bench.load.runner import Load
from du_infra.control.observe import http_get
from tests.region.conftest import Bed, lxc
from tests.region.gaps import Gaps

pytestmark = pytest.mark.lxd

_MEMORY_KB = 15 * 1024
_CUT_AFTER = 4
_UNTIL_OUT = """
import time
while '"peers":[{' in open("/etc/nginx/conf.d/du.conf").readline():
    time.sleep(0.01)
print(time.time())
"""

_CUT = """nft -f - <<'END'
table inet cut {
  chain in { type filter hook input priority -400; policy drop; iif lo accept; }
  chain out { type filter hook output priority -400; policy drop; oif lo accept; }
}
END"""


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Iterator[Bed]:
    made = make_bed()
    made.write(nodes=2)
    done = made.run("region", "up", "home")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def nodes(bed: Bed) -> tuple[str, str]:
    """The node that holds the VIP, and the other, each with the other in its rotation."""
    names = bed.instances()
    for name in names:
        await_rotation(name, 1)
    front = [name for name in names if status(name)["vip"]]
    assert len(front) == 1, names
    return front[0], next(name for name in names if name != front[0])


def sh(node: str, *argv: str) -> str:
    return lxc("exec", node, "-T", "--", *argv)


def status(node: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(sh(node, "du-node", "status"))
    return found


def peers(node: str) -> list[str]:
    """Who takes requests for hello beside the node, by the gateway's own file."""
    head = sh(node, "head", "-1", "/etc/nginx/conf.d/du.conf").removeprefix("# du-node ")
    return [peer["name"] for item in json.loads(head)["table"] for peer in item.get("peers", ())]


def await_rotation(node: str, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(peers(node)) != count:
        assert time.monotonic() < deadline, f"{node} shares with {peers(node)}"
        time.sleep(0.1)


def answers(vip: str) -> Gaps:
    """How long the VIP is without an answer."""
    return Gaps(lambda: http_get(vip, "/readyz", timeout=0.5))


def test_each_node_knows_the_other_and_one_holds_the_address(nodes: tuple[str, str]) -> None:
    for name, other in (nodes, nodes[::-1]):
        told = status(name)
        assert [(peer["name"], peer["up"]) for peer in told["peers"]] == [(other, True)]  # type: ignore[attr-defined]
        assert told["draining"] is False
        assert peers(name) == [other]


def test_only_the_other_node_reaches_the_peer_port(bed: Bed, nodes: tuple[str, str]) -> None:
    address = {name: status(other)["peers"][0]["address"] for name, other in (nodes, nodes[::-1])}  # type: ignore[index]
    probe = "import socket, sys; socket.create_connection((sys.argv[1], 8082), 2)"
    for name, there in address.items():
        other = next(one for one in nodes if one != name)
        sh(other, "python3", "-c", probe, there)
        done = subprocess.run([sys.executable, "-c", probe, there], capture_output=True, check=False)
        assert done.returncode, "anybody reaches the peer port"


@pytest.mark.alone
def test_a_drained_node_gives_the_address_away_and_loses_no_request(bed: Bed, nodes: tuple[str, str]) -> None:
    front, other = nodes
    vip = bed.region.status().vip
    with answers(vip) as gaps, Load(vip) as load:
        time.sleep(2)
        told = [json.loads(line) for line in sh(front, "du-node", "drain", "--cut-after", str(_CUT_AFTER)).splitlines()]
        assert peers(other) == []
        time.sleep(3)
    print(load.report, f"longest gap {gaps.longest:.2f} s", told[-1])
    assert load.report.lost == 0, str(load.report)
    assert gaps.longest < 1.0
    assert told[-1]["ok"] is True
    assert told[-1]["cut"] >= load.report.cut > 0, "long connections stay until their time is over"
    assert (status(front)["vip"], status(other)["vip"], status(front)["draining"]) == (False, True, True)
    assert status(front)["ready"] is True
    sh(front, "du-node", "undrain")
    await_rotation(other, 1)
    assert status(other)["vip"] is True, "the address stays where it is"
    assert "du_handover" not in sh(other, "nft", "list", "tables")


@pytest.mark.alone
def test_a_dead_node_is_out_of_rotation_in_two_seconds_and_its_address_has_moved_in_three(
    bed: Bed, nodes: tuple[str, str]
) -> None:
    front, other = nodes
    pid = json.loads(lxc("query", f"/1.0/instances/{front}/state"))["pid"]
    with answers(bed.region.status().vip) as gaps:
        watching = subprocess.Popen(
            ["lxc", "exec", other, "-T", "--", "python3", "-c", _UNTIL_OUT], stdout=subprocess.PIPE, text=True
        )
        time.sleep(1.5)
        killed = time.time()
        os.kill(pid, signal.SIGKILL)
        out, _ = watching.communicate(timeout=30)
        time.sleep(2.5)
    print(f"out of rotation after {float(out) - killed:.2f} s, longest gap {gaps.longest:.2f} s")
    assert float(out) - killed < 2.0
    assert 0.3 < gaps.longest < 3.0
    seen = status(other)["peers"][0]  # type: ignore[index]
    assert (seen["up"], seen["for_s"] > 1) == (False, True)
    lxc("start", front)
    await_rotation(other, 1)
    assert status(other)["vip"] is True, "the address stays where it is"


@pytest.mark.alone
def test_a_node_whose_packets_are_dropped_takes_the_address_from_nobody_for_long(
    bed: Bed, nodes: tuple[str, str]
) -> None:
    """It hears nothing, takes the address, and says so by ARP, which no such rule drops."""
    front, other = nodes
    with answers(bed.region.status().vip) as gaps:
        time.sleep(1)
        sh(other, "sh", "-c", _CUT)
        time.sleep(10)
        believes = bed.region.status().vip in sh(other, "ip", "addr")
        sh(other, "nft", "delete", "table", "inet", "cut")
        time.sleep(3)
    print(f"longest gap {gaps.longest:.2f} s")
    assert believes, "nothing was tried"
    assert gaps.longest < 3.0
    for name in nodes:
        await_rotation(name, 1)
    assert [status(front)["vip"], status(other)["vip"]].count(True) == 1


def test_serve_has_stayed_small(nodes: tuple[str, str]) -> None:
    for name in nodes:
        pid = sh(name, "systemctl", "show", "-P", "MainPID", "du-node").strip()
        lines = sh(name, "cat", f"/proc/{pid}/status").splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        print(f"{name}: at most {peak} kB")
        assert peak <= _MEMORY_KB
