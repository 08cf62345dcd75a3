"""du-node on servers with etcd: the one that is left of two goes on alone, and a snapshot becomes another server's.

Two servers are never left at that; here they are, because the loss of one takes the majority away. No controller.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from du_infra.engines import zipapp
from tests.k3s import bed
from tests.region.conftest import lxc, push

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(1200)]

_OURS = "/etc/rancher/k3s/config.yaml.d/10-du-infra.yaml"
_SERVER = "/usr/local/lib/du-infra/k3s-server.yaml"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[bed.Node]]:
    """Nodes as the roles of K3s leave them: settings, units that are off, du-node."""
    program, _ = zipapp.build(tmp_path_factory.mktemp("du-node"))
    with bed.nodes(3) as made:
        for node in made:
            node.configure("agent")
            node.configure("server")
            told = json.loads(node.run("cat /etc/rancher/k3s/config.yaml; rm /etc/rancher/k3s/config.yaml"))
            ours = {key: told.pop(key) for key in ("node-ip", "pause-image")}
            node.put(_OURS, json.dumps(ours))
            node.put(_SERVER, json.dumps(told))
            push("--mode", "0755", str(program), f"{node.name}/usr/local/bin/du-node")
        yield made


def order(node: bed.Node, verb: str, **told: Any) -> list[dict[str, Any]]:
    """The lines that du-node says; the last one is its end."""
    done = node.sh(f"du-node k3s {verb}", json.dumps({"seconds": 120, **told}), timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def members(node: bed.Node) -> list[str] | None:
    """Names of etcd's members; None where it has no majority."""
    found = json.loads(node.run("du-node k3s state"))["etcd"]["members"]
    return None if found is None else sorted(one["name"] for one in found)


def has(node: bed.Node, name: str) -> bool:
    return node.sh(f"k3s kubectl get configmap {name}").returncode == 0


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the backup is put."""
    return tmp_path_factory.mktemp("saved") / "backup.tar.gz"


def test_two_servers_on_etcd_are_one_cluster(three: list[bed.Node], saved: Path) -> None:
    first, second, _ = three
    order(first, "join", role="server", etcd=True)
    token = first.run("cat /var/lib/rancher/k3s/server/token").strip()
    order(second, "join", role="server", server=f"https://{first.address}:6443", token=token, fresh=True)
    assert members(first) == sorted([first.name, second.name])
    first.kubectl("create", "configmap", "told")
    first.run("du-node k3s backup >/root/backup.tar.gz")
    lxc("file", "pull", f"{first.name}/root/backup.tar.gz", str(saved))
    first.kubectl("create", "configmap", "later")


def test_the_one_that_is_left_goes_on_alone_though_the_order_is_cut_off(three: list[bed.Node]) -> None:
    first, second, _ = three
    lxc("stop", "--force", first.name)
    assert members(second) is None
    argv = ["lxc", "exec", second.name, "-T", "--", "du-node", "k3s", "reset"]
    began = time.monotonic()
    cut = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert cut.stdin is not None and cut.stdout is not None
    cut.stdin.write('{"seconds": 120}')
    cut.stdin.close()
    assert "its etcd forgets all other members" in cut.stdout.readline()
    cut.kill()
    cut.wait()
    order(second, "reset")
    print(f"reset, cut off and done again: {time.monotonic() - began:.1f} s")
    assert members(second) == [second.name]
    assert has(second, "told") and has(second, "later"), "nothing that it had is lost"
    assert order(second, "reset")[-1]["changed"] is False
    second.wait_ready(second.name)


def test_the_other_comes_back_and_takes_nothing_away_and_joins_as_a_new_member(three: list[bed.Node]) -> None:
    first, second, _ = three
    lxc("start", first.name)
    time.sleep(20)
    assert members(second) == [second.name], "its old data finds no majority"
    token = second.run("cat /var/lib/rancher/k3s/server/token").strip()
    first.run("systemctl stop k3s")
    order(first, "join", role="server", server=f"https://{second.address}:6443", token=token, fresh=True)
    assert members(second) == members(first) == sorted([first.name, second.name])


def test_a_snapshot_becomes_the_etcd_of_another_server(three: list[bed.Node], saved: Path) -> None:
    first, second, third = three
    lxc("stop", "--force", first.name)
    lxc("stop", "--force", second.name)
    push("--mode", "0600", str(saved), f"{third.name}/root/backup.tar.gz")
    began = time.monotonic()
    said = third.run("du-node k3s restore </root/backup.tar.gz", timeout=400)
    print(f"restored from a snapshot: {time.monotonic() - began:.1f} s")
    assert json.loads(said.splitlines()[-1])["changed"] is True
    assert members(third) == [third.name]
    assert (has(third, "told"), has(third, "later")) == (True, False)
    third.wait_ready(third.name)
    again = third.run("du-node k3s restore </root/backup.tar.gz", timeout=400)
    assert json.loads(again.splitlines()[-1])["changed"] is False
