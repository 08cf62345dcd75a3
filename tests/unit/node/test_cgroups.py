"""Memory groups of both versions, as the kernel lays them out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from du_node import cgroups
from du_node.cgroups import Memory, OomKills, cpu_seconds, memory_of


@pytest.mark.parametrize(
    ("lines", "unified", "folder"),
    [
        ("12:pids:/du/x\n4:memory:/du/x\n0::/du/x\n", False, "memory/du/x"),
        ("0::/system.slice/docker-x.scope\n", True, "system.slice/docker-x.scope"),
    ],
)
def test_the_group_of_a_process_is_found(
    lines: str, unified: bool, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups.files, "read", lambda path: lines if path == "/proc/77/cgroup" else "")
    (tmp_path / "cgroup.controllers").touch()
    assert memory_of(77, str(tmp_path)) == Memory(tmp_path / folder, unified)


def test_where_nothing_counts_memory_there_is_no_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups.files, "read", lambda path: "0::/x\n")
    assert memory_of(77, str(tmp_path)) is None
    monkeypatch.undo()
    process = subprocess.Popen(["true"])
    process.wait()
    assert memory_of(process.pid) is None


def test_what_is_in_use_leaves_out_the_cache_that_can_be_dropped(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text(f"{100 << 20}\n")
    (tmp_path / "memory.usage_in_bytes").write_text(f"{90 << 20}\n")
    (tmp_path / "memory.stat").write_text(f"inactive_file {40 << 20}\ntotal_inactive_file {50 << 20}\n")
    assert Memory(tmp_path, unified=True).in_use_mb() == 60
    assert Memory(tmp_path, unified=False).in_use_mb() == 40
    assert Memory(tmp_path / "gone", unified=True).in_use_mb() == 0


def test_kills_are_told_once_and_by_the_group_around_when_the_own_one_is_gone(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for folder, count in ((own, 0), (tmp_path, 5)):
        (folder / "memory.events").write_text(f"oom_kill {count}\n")
    kills = OomKills(Memory(own, unified=True))
    assert kills.more() == 0
    (own / "memory.events").write_text("oom 1\noom_kill 2\noom_group_kill 0\n")
    (tmp_path / "memory.events").write_text("oom_kill 7\n")
    assert [kills.more(), kills.more()] == [2, 0]
    (tmp_path / "memory.events").write_text("oom_kill 8\n")
    (own / "memory.events").unlink()
    assert [kills.more(), kills.more()] == [1, 0]
    assert OomKills(None).more() == 0


@pytest.mark.parametrize(
    ("lines", "file", "text"),
    [
        ("3:cpu,cpuacct:/pod/x\n0::/\n", "cpuacct/pod/x/cpuacct.usage", "2500000000\n"),
        ("0::/pod/x\n", "pod/x/cpu.stat", "usage_usec 2500000\nuser_usec 1\n"),
    ],
)
def test_the_cpu_time_that_a_group_has_used(
    lines: str, file: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"/proc/77/cgroup": lines, f"{tmp_path}/{file}": text}
    monkeypatch.setattr(cgroups.files, "read", lambda path: told.get(path, ""))
    assert cpu_seconds(77, str(tmp_path)) == 2.5
    del told[f"{tmp_path}/{file}"]
    assert cpu_seconds(77, str(tmp_path)) is None
    assert cpu_seconds(78, str(tmp_path)) is None
