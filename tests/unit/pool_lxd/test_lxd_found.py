"""Which LXD is spoken to, and what its words become."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from du_infra.engines import lxd as engine
from du_infra.engines.lxd import Lxd, find_lxd
from du_infra.errors import EngineFailed, ToolMissing, Unreachable


def program(folder: Path, name: str, text: str = "exit 0") -> Path:
    """A shell script in the place of a real program."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def no_snap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_SNAP_BIN", tmp_path / "no-snap")


@pytest.mark.usefixtures("no_snap")
def test_the_packaged_lxd_is_found_with_its_usual_folder(tmp_path: Path) -> None:
    program(tmp_path, "lxc")
    program(tmp_path, "lxd")
    found = find_lxd({"PATH": str(tmp_path)})
    assert found.socket == Path("/var/lib/lxd/unix.socket")
    assert not found.snap


@pytest.mark.usefixtures("no_snap")
def test_lxd_dir_names_another_daemon(tmp_path: Path) -> None:
    program(tmp_path, "lxc")
    program(tmp_path, "lxd")
    found = find_lxd({"PATH": str(tmp_path), "LXD_DIR": "/srv/lxd"})
    assert found.env == {"LXD_DIR": "/srv/lxd", "LXD_SOCKET": "/srv/lxd/unix.socket", "LXD_REMOTE": ""}


def test_the_snap_is_found_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "lxc")
    (tmp_path / "state").mkdir()
    monkeypatch.setattr(engine, "_SNAP_BIN", tmp_path / "bin")
    monkeypatch.setattr(engine, "_SNAP_FOLDER", tmp_path / "state")
    found = find_lxd({"PATH": ""})
    assert found.snap
    assert found.folder == tmp_path / "state"


@pytest.mark.usefixtures("no_snap")
def test_without_lxd_the_doctor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda program, path=None: None)
    with pytest.raises(ToolMissing) as error:
        find_lxd({"PATH": str(tmp_path)})
    assert "doctor --fix" in error.value.todo


def test_what_is_not_there_is_none_and_other_trouble_keeps_the_words_of_lxd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lxd, "answers", lambda self: True)
    absent = program(tmp_path, "absent", "echo 'Error: Network not found' >&2; exit 1")
    assert Lxd(str(absent), "lxd", tmp_path).find("/1.0/networks/x") is None
    broken = program(tmp_path, "broken", "echo 'Error: database is locked' >&2; exit 1")
    with pytest.raises(EngineFailed) as error:
        Lxd(str(broken), "lxd", tmp_path).find("/1.0/networks/x")
    assert "database is locked" in error.value.detail
    assert "run the same command again" in error.value.todo


def test_a_daemon_that_is_gone_is_unreachable(tmp_path: Path) -> None:
    client = program(tmp_path, "lxc", "echo 'Error: connection refused' >&2; exit 1")
    with pytest.raises(Unreachable):
        Lxd(str(client), "lxd", tmp_path).query("/1.0")


def test_a_users_own_remotes_and_projects_send_no_call_elsewhere(tmp_path: Path) -> None:
    client = program(tmp_path, "lxc", f"echo \"$*\" >>{tmp_path}/calls; echo '{{}}'")
    lxd = Lxd(str(client), "lxd", tmp_path)
    lxd.query("/1.0/instances")
    lxd.read_file("demo-home-1", "/etc/hostname")
    lxd.import_image(tmp_path / "metadata", tmp_path / "rootfs", "du-node-1")
    lxd.delete("demo-home-1")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 4
    assert all(" local:" in call for call in calls)
    # `lxc query` takes its project from the path, the other commands take the user's unless they are told.
    assert all("--project default" in call for call in calls[2:])
