"""modules/pool-hooks on real Terraform, with machines of paper and a small program in du-infra's place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from du_infra.assets import asset
from du_infra.engines.terraform import Binary, Workspace, find_binary
from du_infra.engines.terraform.rootmodule import VARIABLES_FILE, Hooks

# Machines that write down when they are made and destroyed.
_MACHINES = textwrap.dedent(
    """
    variable "region" { type = string }
    variable "nodes" { type = map(object({ size = string, role = string, address = string })) }
    variable "vip" { type = string }

    resource "terraform_data" "machine" {
      for_each = var.nodes
      input    = each.value
      provisioner "local-exec" {
        command     = "echo made $NODE >> diary"
        environment = { NODE = each.key }
      }
      provisioner "local-exec" {
        when        = destroy
        command     = "echo destroyed $NODE >> diary"
        environment = { NODE = each.key }
      }
    }

    output "nodes" { value = { for name, machine in terraform_data.machine : name => { id = machine.id } } }
    output "vip" { value = var.vip }
    """
)

# Stands for du-infra: writes down what it is called for, and says no where a file "refuse" is.
_PROGRAM = """\
#!/bin/sh
echo "called $*" >> diary
echo "$DU_HOOK $DU_FLEET $DU_REGION ${DU_NODE:-}$DU_NODES" >> told
[ ! -e refuse ] || { echo "the last node stays" >&2; exit 4; }
"""


@dataclass
class Bed:
    """A region's Terraform folder, and Terraform as a person runs it there."""

    workspace: Workspace
    program: Path

    @property
    def folder(self) -> Path:
        return self.workspace.folder

    def write(self, *names: str, counter: int = 2, known: tuple[str, ...] = ("a-home-1", "a-home-2")) -> None:
        """The folder as du-infra writes it."""
        hooks = Hooks("a-home", counter, known, str(self.program), "../fleet.yaml")
        variables = {"region": "home", "nodes": _nodes(*names), "vip": "198.18.1.5"}
        self.workspace.write("region-pool/paper", variables, hooks)
        self.workspace.init()

    def up(self, *names: str) -> None:
        """As du-infra does it."""
        self.write(*names)
        self.workspace.apply(self.workspace.plan())

    def edit(self, *names: str) -> None:
        """As a person changes the nodes."""
        file = self.folder / VARIABLES_FILE
        file.write_text(json.dumps(json.loads(file.read_text()) | {"nodes": _nodes(*names)}))

    def apply(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """``terraform apply`` by hand."""
        argv = [str(self.workspace.binary.path), "apply", "-auto-approve", "-no-color", "-input=false", *arguments]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "DU_"))}
        env = {**clean, "CHECKPOINT_DISABLE": "1", **(env or {})}
        return subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def diary(self) -> list[str]:
        """What happened since the last look, in order."""
        file = self.folder / "diary"
        lines = file.read_text().splitlines() if file.is_file() else []
        file.unlink(missing_ok=True)
        return [line.replace("called -P -m du_infra ", "") for line in lines]


def _nodes(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"size": "1c1g", "role": "worker", "address": f"198.18.1.1{name[-1]}"} for name in names}


@pytest.fixture
def every_bed(tmp_path: Path, binary: Binary, modules: Path) -> Bed:
    """With every Terraform of this machine in turn."""
    return _bed(tmp_path, binary, modules)


@pytest.fixture
def bed(tmp_path: Path, modules: Path) -> Bed:
    """With the Terraform that du-infra would take."""
    return _bed(tmp_path, find_binary(), modules)


def _bed(tmp_path: Path, binary: Binary, modules: Path) -> Bed:
    (modules / "region-pool/paper/main.tf").write_text(_MACHINES)
    shutil.copytree(asset("modules") / "pool-hooks", modules / "pool-hooks")
    program = tmp_path / 'a program\'s "path"'
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    return Bed(Workspace(tmp_path / "ws", binary, {}, modules), program)


LEAVE = "node leave a-home-{} --hook"
RECONCILE = "region reconcile home --hook"


def _good(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def test_under_du_infra_hooks_do_nothing_and_a_second_plan_is_empty(every_bed: Bed) -> None:
    bed = every_bed
    bed.up("a-home-1", "a-home-2")
    assert sorted(bed.diary()) == ["made a-home-1", "made a-home-2"]
    assert bed.workspace.plan().empty
    assert set(bed.workspace.tracked()) == {"a-home-1", "a-home-2"}
    bed.up("a-home-1")
    assert bed.diary() == ["destroyed a-home-2"]
    assert [one.address for one in bed.workspace.tracked().values()] == [
        'module.pool.terraform_data.machine["a-home-1"]'
    ]
    bed.workspace.apply(bed.workspace.plan(destroy=True))
    assert bed.diary() == ["destroyed a-home-1"]


def test_by_hand_new_nodes_join_after_they_are_made_and_leaving_ones_leave_before_they_go(every_bed: Bed) -> None:
    bed = every_bed
    bed.up("a-home-1")
    bed.diary()
    bed.edit("a-home-1", "a-home-3", "a-home-4")
    _good(bed.apply())
    *made, last = bed.diary()
    assert (sorted(made), last) == (["made a-home-3", "made a-home-4"], RECONCILE)
    told = (bed.folder / "told").read_text().split(" ", 3)
    assert told[:3] == ["1", "../fleet.yaml", "home"]
    assert json.loads(told[3]) == _nodes("a-home-1", "a-home-3", "a-home-4")
    _good(bed.apply())
    assert bed.diary() == []
    bed.edit("a-home-1", "a-home-4")
    _good(bed.apply())
    assert bed.diary() == [LEAVE.format(3), "destroyed a-home-3", RECONCILE]


def test_a_node_that_may_not_leave_keeps_its_machine_and_the_reason_is_told(every_bed: Bed) -> None:
    bed = every_bed
    bed.up("a-home-1", "a-home-2")
    bed.diary()
    bed.edit("a-home-1")
    (bed.folder / "refuse").touch()
    done = bed.apply()
    assert done.returncode == 1
    assert "the last node stays" in done.stdout + done.stderr
    assert bed.diary() == [LEAVE.format(2)]
    assert set(bed.workspace.tracked()) == {"a-home-1", "a-home-2"}

    (bed.folder / "refuse").unlink()
    _good(bed.apply())
    assert bed.diary() == [LEAVE.format(2), "destroyed a-home-2", RECONCILE]


def test_a_node_that_is_put_back_after_a_refusal_is_reconciled(bed: Bed) -> None:
    bed.up("a-home-1", "a-home-2")
    bed.edit("a-home-1")
    (bed.folder / "refuse").touch()
    bed.apply()
    (bed.folder / "refuse").unlink()
    bed.diary()
    bed.edit("a-home-1", "a-home-2")
    _good(bed.apply())
    assert bed.diary() == [RECONCILE]


def test_nothing_is_made_before_who_leaves_has_left(bed: Bed) -> None:
    bed.up("a-home-1")
    bed.diary()
    bed.edit("a-home-3")
    (bed.folder / "refuse").touch()
    assert bed.apply().returncode == 1
    assert bed.diary() == [LEAVE.format(1)]


def test_a_join_that_failed_is_tried_again_by_the_next_apply(bed: Bed) -> None:
    bed.up("a-home-1")
    bed.edit("a-home-1", "a-home-3")
    (bed.folder / "refuse").touch()
    assert bed.apply().returncode == 1
    (bed.folder / "refuse").unlink()
    bed.diary()
    _good(bed.apply())
    assert bed.diary() == [RECONCILE]


def test_a_name_that_was_used_before_is_refused_before_anything_is_made(bed: Bed) -> None:
    bed.write("a-home-1", counter=4, known=("a-home-1",))
    bed.workspace.apply(bed.workspace.plan())
    bed.diary()
    bed.edit("a-home-1", "a-home-3")
    done = bed.apply()
    assert done.returncode == 1
    assert "The next is a-home-5" in " ".join((done.stdout + done.stderr).replace("│", "").split())
    assert bed.diary() == []
    assert bed.workspace.outputs()["next_node"] == "a-home-5"


def test_nodes_given_on_the_command_line_count_too(bed: Bed) -> None:
    bed.up("a-home-1", "a-home-2")
    bed.diary()
    _good(bed.apply("-var", f"nodes={json.dumps(_nodes('a-home-2'))}"))
    assert bed.diary() == [LEAVE.format(1), "destroyed a-home-1", RECONCILE]


def test_hooks_can_be_switched_off_by_hand(bed: Bed) -> None:
    bed.up("a-home-1", "a-home-2")
    bed.diary()
    bed.edit("a-home-1")
    _good(bed.apply(env={"DU_HOOKS": "off"}))
    assert bed.diary() == ["destroyed a-home-2"]


@pytest.mark.parametrize("told", [True, False])
def test_a_du_infra_that_has_moved_stops_a_destroy_until_the_folder_knows(bed: Bed, told: bool) -> None:
    bed.up("a-home-1", "a-home-2")
    gone = bed.program
    moved = bed.program.rename(bed.program.with_name("moved"))
    bed.diary()
    if told:
        bed.program = moved
        bed.up("a-home-1", "a-home-2")
    bed.edit("a-home-1")
    done = bed.apply()
    assert (done.returncode == 0) is told
    assert (f"has moved from {gone}" in done.stdout + done.stderr) is not told
    assert bed.diary() == ([LEAVE.format(2), "destroyed a-home-2", RECONCILE] if told else [])


Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run Terraform on a copy of the module."""
    binary = find_binary()
    shutil.copytree(asset("modules") / "pool-hooks", tmp_path / "hooks", ignore=shutil.ignore_patterns(".terraform*"))
    env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}

    def call(*argv: str, folder: str = ".") -> str:
        done = subprocess.run(
            [str(binary.path), *argv],
            cwd=tmp_path / "hooks" / folder,
            env={**env, "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_the_example_is_valid(run: Run) -> None:
    run("init", "-backend=false", "-input=false", folder="examples/paper-machines")
    run("validate", folder="examples/paper-machines")


def test_the_modules_own_tests_pass(run: Run) -> None:
    run("init", "-backend=false", "-input=false")
    assert "0 failed" in run("test", "-no-color")
