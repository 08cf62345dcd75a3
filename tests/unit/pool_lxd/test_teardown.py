"""What the local cloud kept on this machine goes with it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_infra.engines.ssh import Target, control_path
from du_infra.local import registry
from du_infra.pool.lxd import LxdProvider, daemon, teardown
from du_infra.pool.lxd.site import HERE
from du_infra.progress import silent


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DU_INFRA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(registry, "need", str)
    for process in (daemon.lxcfs_daemon(), registry._daemon(HERE)):
        process.pid_file.write_text("0\n")
        process.log.write_text("words\n")
    (registry._folder() / "data").mkdir(parents=True)
    control_path(Target("demo-home-1", "198.18.1.2", tmp_path / "id", tmp_path / "known"))
    with LxdProvider().giving_out(silent), registry._alone(silent):
        pass


def test_nothing_of_ours_is_left(tmp_path: Path) -> None:
    teardown.forget_files()
    assert list(tmp_path.iterdir()) == []


def test_what_else_is_in_a_folder_that_a_user_named_stays(tmp_path: Path) -> None:
    (tmp_path / "data" / "photos").mkdir()
    (tmp_path / "run" / "other.pid").write_text("1\n")
    teardown.forget_files()
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["data", "data/photos", "run", "run/other.pid"]
