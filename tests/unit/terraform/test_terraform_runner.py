"""How a run of Terraform is judged, with a small program in Terraform's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from du_infra.engines.terraform import Binary, mirror, setup
from du_infra.engines.terraform.runner import Runner
from du_infra.errors import Busy, EngineFailed, Refused
from du_infra.progress import silent


def _runner(folder: Path, body: str) -> Runner:
    program = folder / "terraform.sh"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return Runner(folder, Binary(program, "terraform", "1.11.4"), {"LXD_SOCKET": "/run/lxd"})


def _says(*messages: object) -> str:
    return "\n".join(f"cat <<'END'\n{json.dumps(message)}\nEND" for message in messages)


def _error(summary: str, detail: str = "") -> dict[str, object]:
    return {"type": "diagnostic", "diagnostic": {"severity": "error", "summary": summary, "detail": detail}}


def test_a_lock_that_somebody_holds_is_busy_and_says_who(tmp_path: Path) -> None:
    runner = _runner(tmp_path, _says(_error("Error acquiring the state lock", "Who: root@there")) + "\nexit 1")
    with pytest.raises(Busy) as busy:
        runner.stream("apply", "plan.tfplan")
    assert "Who: root@there" in busy.value.detail


def test_a_crash_without_a_diagnostic_still_has_its_last_words(tmp_path: Path) -> None:
    runner = _runner(tmp_path, "echo 'panic: no memory' >&2; exit 2")
    with pytest.raises(EngineFailed) as failed:
        runner.stream("apply")
    assert failed.value.detail == "panic: no memory"


def test_arguments_are_what_terraform_understands(tmp_path: Path) -> None:
    runner = _runner(tmp_path, 'printf "%s\\n" "$@" > args')
    runner.stream("plan", out="p", destroy=False, input=False, lock_timeout="120s")
    assert (tmp_path / "args").read_text().split() == [
        "plan",
        "-out=p",
        "-destroy=false",
        "-input=false",
        "-lock-timeout=120s",
        "-json",
    ]
    runner.plain("state rm", 'module.pool.x.node["a b"]')
    assert (tmp_path / "args").read_text().splitlines() == ["state", "rm", "-no-color", 'module.pool.x.node["a b"]']


def test_the_environment_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("TF_CLI_ARGS", "-destroy")
    monkeypatch.setenv("TF_LOG", "debug")
    runner = _runner(tmp_path, "env > env")
    runner.plain("init")
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert env["TF_CLI_CONFIG_FILE"] == str(tmp_path / "terraform.tfrc")
    assert (env["CHECKPOINT_DISABLE"], env["TF_IN_AUTOMATION"], env["TF_LOG"]) == ("1", "1", "debug")
    assert env["LXD_SOCKET"] == "/run/lxd"
    assert env["DU_HOOKS"] == "off"
    assert "TF_CLI_ARGS" not in env


def test_a_hook_never_runs_terraform_whose_lock_is_held_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DU_HOOK", "1")
    runner = _runner(tmp_path, "touch ran")
    with pytest.raises(Refused, match="hook"):
        runner.plain("init")
    with pytest.raises(Refused, match="hook"):
        runner.read("show")
    assert not (tmp_path / "ran").exists()


# Stands for an init whose registry answers, while the host that has the file does not.
NEEDS_MIRROR = """
grep -q filesystem_mirror "$TF_CLI_CONFIG_FILE" && exit 0
echo 'Failed to install provider: Error while installing terraform-lxd/lxd v1.5.0: connection refused' >&2
exit 1
"""


def test_a_registry_that_answers_but_does_not_deliver_is_replaced_by_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DU_INFRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mirror, "registry_answers", lambda host: True)
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        folder.mkdir(parents=True)

    monkeypatch.setattr(mirror, "make_mirror", make)
    (tmp_path / "main.tf").write_text('source = "terraform-lxd/lxd"\n')
    (tmp_path / ".terraform").mkdir()
    runner = _runner(tmp_path, NEEDS_MIRROR)
    setup.init(runner, silent)
    assert made == [mirror.mirror_folder()]
    assert setup.is_ready(tmp_path, runner.binary)


def test_an_init_that_fails_for_another_reason_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DU_INFRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mirror, "registry_answers", lambda host: True)
    (tmp_path / "main.tf").write_text('source = "terraform-lxd/lxd"\n')
    runner = _runner(tmp_path, "echo run >> runs; echo 'Invalid block definition' >&2; exit 1")
    with pytest.raises(EngineFailed, match="init failed"):
        setup.init(runner, silent)
    assert (tmp_path / "runs").read_text() == "run\n"
    assert not mirror.mirror_folder().exists()
    assert not setup.is_ready(tmp_path, runner.binary)
