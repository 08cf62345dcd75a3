"""Terraform by hand in a region's folder: nodes join after they are made, and leave before they are destroyed.

The tests build on one another, top to bottom.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.load.runner import Load
from du_infra.control.context import RegionContext
from du_infra.control.lock import locked
from du_infra.engines.terraform import find_binary
from du_infra.engines.terraform.rootmodule import VARIABLES_FILE
from du_infra.progress import silent
from tests.region.conftest import Bed

# No long connections: a node that leaves would wait for their end.
SHORT = "get=30,post=20,get-fresh=20,post-fresh=15"

pytestmark = [pytest.mark.lxd, pytest.mark.slow]


class Folder:
    """The region's Terraform folder, in the hands of a person."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self.context = RegionContext(bed.region.fleet.spec, "home", bed.folder)
        self.path: Path = self.context.terraform

    @property
    def nodes(self) -> dict[str, Any]:
        nodes: dict[str, Any] = json.loads((self.path / VARIABLES_FILE).read_text())["nodes"]
        return nodes

    def edit(self, nodes: Mapping[str, Any]) -> None:
        file = self.path / VARIABLES_FILE
        file.write_text(json.dumps(json.loads(file.read_text()) | {"nodes": nodes}))

    def name(self, number: int) -> str:
        return f"{self._bed.name}-home-{number}"

    def grown(self, number: int) -> dict[str, Any]:
        """One node more, at an address where the planner arrives last."""
        taken = {address for machine in self.context.provider.machines() for address in machine.addresses}
        free = next(at for at in (f"198.18.249.{byte}" for byte in range(210, 250)) if at not in taken)
        return self.nodes | {self.name(number): {"size": "1c1g", "role": "worker", "address": free}}

    def run(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``terraform VERB`` as a person runs it: with an environment that du-infra has no part in."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "DU_"))}
        env = {**clean, **self.context.provider.terraform_env(), "CHECKPOINT_DISABLE": "1"}
        argv = [str(find_binary().path), verb, "-auto-approve", "-no-color", "-input=false", *arguments]
        return subprocess.run(argv, cwd=self.path, env=env, capture_output=True, text=True, timeout=300, check=False)

    @property
    def log(self) -> str:
        return (self.context.home / "hooks.log").read_text()


def machines_to_change(bed: Bed) -> list[str]:
    """What `region up` would do with machines."""
    return [f"{one.kind} {one.target}" for one in bed.region.plan().actions if one.kind not in ("configure", "deploy")]


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    bed = make_bed()
    bed.region.up()
    return bed


@pytest.fixture
def folder(bed: Bed) -> Folder:
    return Folder(bed)


def test_under_du_infra_itself_hooks_do_nothing(bed: Bed, folder: Folder) -> None:
    assert not (folder.context.home / "hooks.log").exists()
    assert machines_to_change(bed) == []


def test_the_only_node_may_not_leave_and_its_machine_stays(bed: Bed, folder: Folder) -> None:
    done = folder.run("destroy")
    assert done.returncode == 1
    assert "at least 1 node" in done.stdout + done.stderr
    assert "region down home" in done.stdout + done.stderr
    assert bed.instances() == [folder.name(1)]
    assert bed.region.status().ready
    assert "at least 1 node" in folder.log


def test_a_node_more_joins_without_du_infra_being_called_and_no_request_is_lost(bed: Bed, folder: Folder) -> None:
    folder.edit(folder.grown(2))
    with Load(bed.region.status().vip, SHORT) as load:
        done = folder.run("apply")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (load.report.lost, load.report.cut) == (0, 0), str(load.report)
    status = bed.region.status()
    assert [(node.name, node.ready) for node in status.nodes] == [(folder.name(1), True), (folder.name(2), True)]
    assert "reconcile: done" in folder.log
    assert machines_to_change(bed) == []  # the pool's wish is what stands, though fleet.yaml says 1


def test_a_busy_region_stops_the_destroy_and_says_who_is_at_work(bed: Bed, folder: Folder) -> None:
    with locked(folder.context, silent):
        done = folder.run("destroy", f'-target=module.hooks.terraform_data.node["{folder.name(1)}"]')
    assert done.returncode == 1
    assert f"another du-infra (process {os.getpid()}) is at work" in done.stdout + done.stderr
    assert len(bed.instances()) == 2
    assert all(node.ready for node in bed.region.status().nodes)


def test_a_node_leaves_before_it_is_destroyed_and_no_request_is_lost(bed: Bed, folder: Folder) -> None:
    keep = folder.name(2)  # the first one may hold the region's address: it moves
    with Load(bed.region.status().vip, SHORT) as load:
        done = folder.run("apply", "-var", f"nodes={json.dumps({keep: folder.nodes[keep]})}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (load.report.lost, load.report.cut) == (0, 0), str(load.report)
    assert bed.instances() == [keep]
    assert [node.name for node in bed.region.status().nodes] == [keep]
    assert bed.region.status().ready
    assert folder.nodes.keys() == {keep}  # what was given on the command line holds for the next apply
    again = folder.run("apply")
    assert "0 added, 0 changed, 0 destroyed" in again.stdout
    assert machines_to_change(bed) == []


def test_a_name_that_was_used_is_refused_and_the_next_one_told(bed: Bed, folder: Folder) -> None:
    kept = folder.nodes
    folder.edit(folder.grown(1))
    done = folder.run("apply")
    folder.edit(kept)
    assert done.returncode == 1
    assert f"The next is {folder.name(3)}" in " ".join(done.stderr.replace("│", "").split())
    assert bed.instances() == [folder.name(2)]
