"""`region backup` and `region restore`: what they say, what they ask, and what programs get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from du_infra.cli.main import cli
from du_infra.control.cluster.backup import BackupResult
from du_infra.control.cluster.restore import Restoring
from du_infra.control.cluster.vault import Kept
from du_infra.control.up import UpResult
from du_infra.errors import Refused
from du_infra.fleet import Region

KEPT = Kept("b1", "demo-home-1", "v1.34.4+k3s1", "sqlite", 1000.0, "ab", 2_500_000, verified=True)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order."""
    did: list[str] = []

    def backup(_: Region, **__: Any) -> BackupResult:
        did.append("backup")
        return BackupResult("home", ".du/regions/home/backups/b1.tar.gz", KEPT, ("b0",))

    def restore(_: Region, **__: Any) -> UpResult:
        did.append("restore")
        return UpResult("home", "198.18.1.1", ("demo-home-2",), {}, "c", 0, True, {})

    monkeypatch.setattr(Region, "backup", backup)
    monkeypatch.setattr(Region, "backups", lambda _: [KEPT])
    monkeypatch.setattr(Region, "restore", restore)
    monkeypatch.setattr(Region, "plan_restore", lambda _, **__: Restoring(KEPT, ("demo-home-1",), ("demo-home-1",)))
    return did


def run(folder: Path, *words: str) -> Result:
    file = folder / "fleet.yaml"
    file.write_text("fleet: demo\nregions:\n  home: {provider: lxd, runtime: k3s}\nservices: {}\n")
    return CliRunner().invoke(cli, ["region", *words, "--fleet", str(file)])


def test_a_backup_says_where_it_is_and_what_went(tmp_path: Path, done: list[str]) -> None:
    said = run(tmp_path, "backup", "home").output
    assert "b0 is removed: newer ones are kept" in said
    assert ".du/regions/home/backups/b1.tar.gz: 2.5 MB, read back" in said
    told = json.loads(run(tmp_path, "backup", "home", "--output", "json").stdout)
    assert (told["backup"]["name"], told["backup"]["verified"], told["removed"]) == ("b1", True, ["b0"])


def test_the_list_makes_none(tmp_path: Path, done: list[str]) -> None:
    assert "b1 " in run(tmp_path, "backup", "home", "--list").output
    assert json.loads(run(tmp_path, "backup", "home", "--list", "--output", "json").stdout)[0]["name"] == "b1"
    assert done == []


def test_a_restore_says_what_it_costs_and_does_nothing_unless_somebody_agrees(tmp_path: Path, done: list[str]) -> None:
    refused = run(tmp_path, "restore", "home")
    assert (type(refused.exception), done) == (Refused, [])
    assert "b1: " in refused.output
    agreed = run(tmp_path, "restore", "home", "--yes")
    assert (agreed.exit_code, done) == (0, ["restore"])
    assert "Region home is ready" in agreed.output
