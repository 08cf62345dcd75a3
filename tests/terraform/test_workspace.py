"""A region's workspace, driven through every Terraform of this machine (no cloud needed)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from du_infra.engines.terraform import Binary, Workspace
from du_infra.engines.terraform.setup import is_ready
from du_infra.errors import EngineFailed, Refused
from du_infra.pool.guard import guard
from du_infra.progress import Event

Pool = Callable[..., Workspace]


def _up(workspace: Workspace) -> None:
    workspace.apply(workspace.plan())


def test_nodes_are_made_reported_by_name_and_told_in_outputs(pool: Pool) -> None:
    workspace, events = pool("a-1", "a-2"), list[Event]()
    plan = workspace.plan()
    assert {(change.name, change.kind) for change in plan.changes} == {("a-1", "create"), ("a-2", "create")}
    workspace.apply(plan, events.append)
    assert {event.node for event in events if event.kind == "changed"} == {"a-1", "a-2"}
    assert {event.stage for event in events} == {"machines"}
    assert workspace.outputs() == {
        "nodes": {"a-1": {"id": "a-1"}, "a-2": {"id": "a-2"}},
        "vip": "198.18.1.5",
    }


def test_a_second_run_plans_nothing_and_says_so(pool: Pool) -> None:
    _up(pool("a-1"))
    assert pool("a-1").plan().empty


def test_nothing_applied_means_no_outputs_and_no_nodes(pool: Pool) -> None:
    workspace = pool("a-1")
    assert workspace.outputs() == {}
    assert workspace.tracked() == {}


def test_a_changed_output_alone_is_applied(pool: Pool) -> None:
    _up(pool("a-1"))
    workspace = pool("a-1", vip="198.18.1.6")
    plan = workspace.plan()
    assert plan.changes == ()
    assert not plan.empty
    workspace.apply(plan)
    assert workspace.outputs()["vip"] == "198.18.1.6"


def test_the_guard_stops_a_replacement_and_tells_what_forces_it(pool: Pool) -> None:
    _up(pool("a-1", "a-2"))
    plan = pool("a-1", size="2c2g").plan()
    with pytest.raises(Refused) as refused:
        guard(plan.changes, frozenset({"a-2"}))
    assert refused.value.detail == (
        'replace module.pool.terraform_data.node["a-1"]: triggers_replace cannot be changed in place'
    )
    guard(plan.changes, frozenset({"a-1", "a-2"}))


def test_removing_one_node_leaves_the_others_alone(pool: Pool) -> None:
    _up(pool("a-1", "a-2", "a-3"))
    workspace = pool("a-1", "a-3")
    plan = workspace.plan()
    assert [(change.name, change.kind) for change in plan.changes] == [("a-2", "delete")]
    workspace.apply(plan)
    assert set(workspace.tracked()) == {"a-1", "a-3"}


def test_destroy_leaves_no_node_and_no_output(pool: Pool) -> None:
    workspace = pool("a-1", "a-2")
    _up(workspace)
    plan = workspace.plan(destroy=True)
    assert {change.kind for change in plan.changes} == {"delete"}
    workspace.apply(plan)
    assert workspace.tracked() == {}
    assert workspace.outputs() == {}
    assert workspace.plan(destroy=True).empty


def test_init_runs_once_until_something_changes(pool: Pool, binary: Binary, modules: Path) -> None:
    workspace, events = pool("a-1"), list[Event]()
    workspace.init(events.append)
    assert events == []
    assert is_ready(workspace.folder, binary)
    with (modules / "region-pool/paper/main.tf").open("a") as file:
        file.write("# another word\n")
    workspace.write("region-pool/paper", {"nodes": {}, "vip": "", "command": ""})
    assert not is_ready(workspace.folder, binary)
    workspace.init(events.append)
    assert [event.text for event in events] == ["fetching Terraform's providers"]


def test_another_terraform_or_a_lost_provider_needs_init_again(pool: Pool, binary: Binary) -> None:
    workspace = pool("a-1")
    assert not is_ready(workspace.folder, Binary(binary.path, binary.flavor, "0.0.1"))
    plugin = workspace.folder / ".terraform/providers/host/name/type/1.0.0"
    plugin.mkdir(parents=True)
    (plugin / "linux_amd64").symlink_to("/nowhere")
    assert not is_ready(workspace.folder, binary)


def test_a_failure_keeps_terraforms_own_words(pool: Pool) -> None:
    workspace = pool("a-1", command="echo the disk is full >&2; exit 7")
    with pytest.raises(EngineFailed) as failed:
        _up(workspace)
    assert "apply failed" in failed.value.what
    assert "the disk is full" in failed.value.detail
    assert failed.value.where == str(workspace.folder)


def test_a_mistake_in_the_configuration_is_told_at_init(pool: Pool, modules: Path) -> None:
    (modules / "region-pool/paper/main.tf").write_text("resource {")
    with pytest.raises(EngineFailed, match="init failed") as failed:
        pool("a-1")
    assert "main.tf" in failed.value.detail


def test_a_value_the_module_refuses_is_told_at_plan(pool: Pool) -> None:
    workspace = pool("a-1")
    (workspace.folder / "region.auto.tfvars.json").write_text(json.dumps({"nodes": [1], "vip": "", "command": ""}))
    with pytest.raises(EngineFailed, match="plan failed") as failed:
        workspace.plan()
    assert "map of object required" in failed.value.detail


def test_the_users_terraform_variables_do_not_reach_us(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CLI_ARGS_plan", "-destroy")
    monkeypatch.setenv("TF_VAR_vip", "203.0.113.1")
    monkeypatch.setenv("TF_DATA_DIR", "/nowhere")
    workspace = pool("a-1")
    _up(workspace)
    assert workspace.outputs()["vip"] == "198.18.1.5"


def test_everything_in_the_folder_that_holds_values_is_private(pool: Pool) -> None:
    workspace = pool("a-1")
    _up(workspace)
    assert workspace.folder.stat().st_mode & 0o777 == 0o700
    for name in ("region.auto.tfvars.json", "terraform.tfstate", "main.tf"):
        assert (workspace.folder / name).stat().st_mode & 0o077 == 0


class TestAfterAKill:
    """What the state says and what is there may differ; the next run makes them agree."""

    def test_a_machine_that_is_gone_is_forgotten_and_made_again(self, pool: Pool) -> None:
        workspace = pool("a-1", "a-2")
        _up(workspace)
        plan = workspace.plan_for(["a-2"])
        assert [(change.name, change.kind) for change in plan.changes] == [("a-1", "create")]

    def test_a_machine_that_the_state_lacks_is_taken_over(self, pool: Pool) -> None:
        workspace, events = pool("a-1", "a-2"), list[Event]()
        plan = workspace.plan_for(["a-1"], report=events.append)
        assert set(workspace.tracked()) == {"a-1"}
        assert [event.node for event in events] == ["a-1"]
        assert ("a-2", "create") in {(change.name, change.kind) for change in plan.changes}
        assert ("a-1", "create") not in {(change.name, change.kind) for change in plan.changes}

    def test_a_half_made_machine_is_kept(self, pool: Pool) -> None:
        with pytest.raises(EngineFailed):
            _up(pool("a-1", command="false"))
        workspace = pool("a-1")
        assert workspace.tracked()["a-1"].tainted
        assert [change.kind for change in workspace.plan().changes] == ["replace"]
        assert workspace.plan_for(["a-1"]).changes == ()
        assert not workspace.tracked()["a-1"].tainted

    def test_destroying_takes_over_first_so_that_nothing_is_left(self, pool: Pool) -> None:
        workspace = pool("a-1", "a-2")
        plan = workspace.plan_for(["a-1", "a-2"], destroy=True)
        assert {(change.name, change.kind) for change in plan.changes} == {("a-1", "delete"), ("a-2", "delete")}

    def test_a_machine_with_our_label_that_is_not_wanted_is_named(self, pool: Pool) -> None:
        events = list[Event]()
        pool("a-1").plan_for(["a-9"], report=events.append)
        assert [(event.kind, event.node) for event in events] == [("warning", "a-9")]


APPLY = textwrap.dedent(
    """
    import pathlib, sys
    from du_infra.engines.terraform import Binary, Workspace
    folder, path, flavor = sys.argv[1:]
    workspace = Workspace(pathlib.Path(folder), Binary(pathlib.Path(path), flavor, ""), {})
    try:
        workspace.apply(workspace.plan())
    except KeyboardInterrupt:
        sys.exit(130)
    """
)


def _apply_elsewhere(workspace: Workspace) -> subprocess.Popen[bytes]:
    """Another du-infra that applies; returns once its Terraform is at work on a node."""
    binary = workspace.binary
    argv = [sys.executable, "-c", APPLY, str(workspace.folder), str(binary.path), binary.flavor]
    process = subprocess.Popen(argv)
    deadline = time.monotonic() + 30
    while not (workspace.folder / "working").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def _work(workspace_folder: Path) -> str:
    return f"touch {workspace_folder}/working; exec sleep 30"


def test_ctrl_c_ends_terraform_in_order_and_the_next_run_goes_on(pool: Pool, tmp_path: Path) -> None:
    workspace = pool("a-1", command=_work(tmp_path / "ws"))
    process = _apply_elsewhere(workspace)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert workspace.tracked()["a-1"].tainted
    assert _terraforms_in(workspace.folder) == []
    again = pool("a-1")
    again.apply(again.plan_for(["a-1"]))
    assert again.outputs()["nodes"] == {"a-1": {"id": "a-1"}}


def test_a_killed_du_infra_leaves_a_state_that_the_next_run_reads(pool: Pool, tmp_path: Path) -> None:
    workspace = pool("a-1", command=_work(tmp_path / "ws"))
    process = _apply_elsewhere(workspace)
    process.kill()
    process.wait()
    again = pool("a-1")
    again.apply(again.plan())  # waits for the lock until the orphan has ended
    assert again.outputs()["nodes"] == {"a-1": {"id": "a-1"}}
    assert _terraforms_in(workspace.folder) == []


def test_a_killed_terraform_leaves_no_lock_that_lasts(pool: Pool, tmp_path: Path) -> None:
    workspace = pool("a-1", command=_work(tmp_path / "ws"))
    process = _apply_elsewhere(workspace)
    for pid in _terraforms_in(workspace.folder):
        os.kill(pid, signal.SIGKILL)
    assert process.wait(timeout=20) == 1
    again = pool("a-1")
    _up(again)
    assert again.outputs()["nodes"] == {"a-1": {"id": "a-1"}}


def _terraforms_in(folder: Path) -> list[int]:
    """Processes at work in a workspace's folder, the shell of a provisioner included."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            at = (process / "cwd").resolve()
        except OSError:
            continue  # ended meanwhile
        if at == folder:
            found.append(int(process.name))
    return found
