"""The LXD module against real LXD: made, noticed, resized, killed in the middle, taken over, destroyed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from du_infra.engines.terraform import Workspace, find_binary
from du_infra.errors import Refused
from du_infra.pool.guard import guard
from du_infra.pool.lxd import LxdProvider
from du_infra.pool.state import Machine
from du_infra.progress import silent

pytestmark = pytest.mark.lxd

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFk8G0R776RUs7evh7UpFV2D6HfYFm0AceKDraE73CGj test"
# At the far end of the plan's addresses, where the planner arrives last.
ADDRESSES = {"tf-test-1": "198.18.249.201", "tf-test-2": "198.18.249.202"}
VIP = "198.18.249.200"

Make = Callable[..., Workspace]


@pytest.fixture(scope="module")
def provider() -> LxdProvider:
    provider = LxdProvider()
    provider.prepare(silent)
    _remove_what_a_killed_run_left(provider)
    return provider


def _remove_what_a_killed_run_left(provider: LxdProvider) -> None:
    """Names and addresses are fixed here, so a test run that was killed would stand in the way of the next one."""
    for machine in provider.machines():
        if machine.name in ADDRESSES and machine.fleet == "tf":
            where = f"/1.0/instances/{machine.name}"
            if machine.status == "running":
                provider.lxd.query(f"{where}/state", "PUT", {"action": "stop", "force": True, "timeout": 30})
            provider.lxd.query(where, "DELETE")


@pytest.fixture
def owner() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def make(tmp_path: Path, provider: LxdProvider, owner: str) -> Iterator[Make]:
    """Make (or write anew) a workspace with the nodes named; everything it made is destroyed afterwards."""

    def workspace(*names: str, size: str = "1c1g", **more: object) -> Workspace:
        made = Workspace(tmp_path / "ws", find_binary(), provider.terraform_env())
        nodes = {name: {"size": size, "role": "worker", "address": ADDRESSES[name]} for name in names}
        made.write(
            "region-pool/lxd",
            {
                **provider.terraform_vars(),
                "region": "test",
                "owner": owner,
                "nodes": nodes,
                "network_cidr": provider.network().cidr,
                "vip": VIP,
                "ssh_public_key": KEY,
                "labels": {"fleet": "tf"},
                **more,
            },
        )
        made.init()
        return made

    yield workspace
    left = [machine.name for machine in _ours(provider, owner)]
    end = workspace(*left)
    end.apply(end.plan_for(left, destroy=True))
    assert _ours(provider, owner) == []


def _ours(provider: LxdProvider, owner: str) -> list[Machine]:
    return [machine for machine in provider.machines() if machine.owner == owner]


def _names(provider: LxdProvider, owner: str) -> list[str]:
    return sorted(machine.name for machine in _ours(provider, owner))


def test_nodes_stand_as_asked_and_a_second_plan_is_empty(make: Make, provider: LxdProvider, owner: str) -> None:
    workspace = make("tf-test-1", "tf-test-2")
    workspace.apply(workspace.plan_for([]))
    machines = {machine.name: machine for machine in _ours(provider, owner)}
    assert machines["tf-test-1"].addresses == ("198.18.249.201", VIP)
    assert {(m.status, m.fleet, m.region) for m in machines.values()} == {("running", "tf", "test")}
    assert workspace.outputs() == {
        "nodes": {
            name: {"id": name, "public_ipv4": None, "private_ipv4": address} for name, address in ADDRESSES.items()
        },
        "vip": VIP,
    }
    assert provider.host_key("tf-test-1").startswith("ssh-ed25519 ")
    assert workspace.plan_for(_names(provider, owner)).empty


def test_nothing_that_changes_later_replaces_a_running_node(make: Make, provider: LxdProvider, owner: str) -> None:
    workspace = make("tf-test-1")
    workspace.apply(workspace.plan_for([]))
    workspace = make(
        "tf-test-1",
        image="another-image",
        vip="198.18.249.199",
        labels={"fleet": "tf", "new": "label"},
        ssh_public_key=KEY.replace("test", "another"),
        user_data="#cloud-config\n{}\n",
    )
    assert workspace.plan_for(["tf-test-1"]).changes == ()
    plan = make("tf-test-1", size="2c2g").plan_for(["tf-test-1"])
    assert [(change.name, change.kind) for change in plan.changes] == [("tf-test-1", "update")]
    workspace.apply(plan)
    limits = _config(provider, "tf-test-1")
    assert (limits["limits.cpu"], limits["limits.memory"]) == ("2", "2GiB")


def test_the_guard_keeps_a_node_that_left_the_list_unasked(make: Make, provider: LxdProvider, owner: str) -> None:
    workspace = make("tf-test-1", "tf-test-2")
    workspace.apply(workspace.plan_for([]))
    workspace = make("tf-test-2")
    plan = workspace.plan_for(_names(provider, owner))
    with pytest.raises(Refused) as refused:
        guard(plan.changes, frozenset())
    assert "its name is no longer among the nodes" in refused.value.detail
    guard(plan.changes, frozenset({"tf-test-1"}))
    provider.halt("tf-test-1")  # as du-infra does: one that is still booting does not hear that it should shut down
    workspace.apply(plan)
    assert _names(provider, owner) == ["tf-test-2"]


def test_a_node_deleted_behind_our_back_is_made_again(make: Make, provider: LxdProvider, owner: str) -> None:
    workspace = make("tf-test-1")
    workspace.apply(workspace.plan_for([]))
    provider.lxd.query("/1.0/instances/tf-test-1/state", "PUT", {"action": "stop", "force": True, "timeout": 30})
    provider.lxd.query("/1.0/instances/tf-test-1", "DELETE")
    plan = workspace.plan_for(_names(provider, owner))
    assert [(change.name, change.kind) for change in plan.changes] == [("tf-test-1", "create")]
    workspace.apply(plan)
    assert _names(provider, owner) == ["tf-test-1"]


APPLY = textwrap.dedent(
    """
    import json, pathlib, sys
    from du_infra.engines.terraform import Workspace, find_binary
    workspace = Workspace(pathlib.Path(sys.argv[1]), find_binary(), json.loads(sys.argv[2]))
    workspace.apply(workspace.plan())
    """
)


def test_a_node_made_just_before_a_kill_is_taken_over_and_not_replaced(
    make: Make, provider: LxdProvider, owner: str
) -> None:
    import json

    workspace = make("tf-test-1")
    argv = [sys.executable, "-c", APPLY, str(workspace.folder), json.dumps(dict(provider.terraform_env()))]
    process = subprocess.Popen(argv, start_new_session=True)
    _wait_until(lambda: _names(provider, owner) == ["tf-test-1"])
    for pid in _at_work_in(workspace.folder):  # Terraform and its provider, with no chance to write the state
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    assert workspace.tracked() == {}

    again = make("tf-test-1")
    plan = again.plan_for(["tf-test-1"])
    guard(plan.changes, frozenset())
    again.apply(plan)
    provider.start("tf-test-1")
    assert set(again.tracked()) == {"tf-test-1"}
    assert again.plan_for(["tf-test-1"]).empty


def _config(provider: LxdProvider, name: str) -> dict[str, str]:
    config: dict[str, str] = provider.lxd.query(f"/1.0/instances/{name}")["config"]
    return config


def _wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _at_work_in(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            at = (process / "cwd").resolve()
        except OSError:
            continue  # ended meanwhile
        if at == folder:
            found.append(int(process.name))
    return found
