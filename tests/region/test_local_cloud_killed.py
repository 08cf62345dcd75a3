"""Parts of the local cloud are killed, even while they are being made; the next command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.engines.daemon import command_line, process_ids
from du_infra.engines.lxd import Lxd, find_lxd
from du_infra.errors import ToolMissing
from du_infra.pool.lxd import LxdProvider, daemon, image
from du_infra.progress import Event, silent

pytestmark = pytest.mark.lxd

_PREPARE_IMAGE = """
import sys
from pathlib import Path
from du_infra.pool.lxd import LxdProvider
from du_infra.pool.lxd.build import build
target = Path(sys.argv[1])
build(LxdProvider().recipe, target, tools=Path(sys.argv[2]), report=lambda event: print(event.text, flush=True))
"""


@pytest.fixture
def own_lxcfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for an lxcfs of this test's own; the machine's is left alone."""
    monkeypatch.setenv("DU_INFRA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(daemon, "LXCFS", tmp_path / "lxcfs")
    monkeypatch.setattr(daemon, "systemd_runs", lambda: False)
    usual = daemon.lxcfs_daemon()
    # Two lxcfs need two lock files.
    argv = (usual.argv[0], "-p", str(tmp_path / "lxcfs.lock"), *usual.argv[1:])
    monkeypatch.setattr(daemon, "lxcfs_daemon", lambda: replace(usual, argv=argv))
    yield tmp_path / "lxcfs"
    daemon.lxcfs_daemon().stop()
    subprocess.run(["umount", "--lazy", str(tmp_path / "lxcfs")], capture_output=True, check=False)


def test_a_killed_lxcfs_is_unmounted_and_started_again(own_lxcfs: Path) -> None:
    daemon.ensure_lxcfs(silent)
    first = daemon.lxcfs_daemon().pid()
    assert first is not None
    daemon.ensure_lxcfs(silent)
    assert daemon.lxcfs_daemon().pid() == first
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    with pytest.raises(OSError, match="not connected"):
        list((own_lxcfs / "proc").iterdir())
    daemon.ensure_lxcfs(silent)
    assert (own_lxcfs / "proc" / "meminfo").read_text().startswith("MemTotal")
    assert daemon.lxcfs_daemon().pid() != first


def test_a_daemon_that_does_not_come_up_leaves_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DU_INFRA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(daemon, "systemd_runs", lambda: False)
    broken = tmp_path / "lxd"
    broken.write_text("#!/bin/sh\n[ $1 = waitready ] && exec sleep 5\necho 'the database is broken'; exit 1\n")
    broken.chmod(0o755)
    absent = Lxd(find_lxd().client, str(broken), tmp_path / "state")
    with pytest.raises(ToolMissing, match="does not come up") as error:
        daemon.ensure(absent, silent)
    assert "the database is broken" in error.value.detail
    assert not (tmp_path / "run" / "lxd.pid").exists()


@pytest.mark.alone
def test_an_image_that_was_stored_but_not_yet_named_gets_its_name() -> None:
    provider = LxdProvider()
    provider.lxd.query(f"/1.0/images/aliases/{provider.recipe.alias}", "DELETE")
    events: list[Event] = []
    image.ensure(provider.lxd, provider.recipe, events.append)
    assert image.present(provider.lxd, provider.recipe)
    assert [event.text for event in events] == [f"importing {provider.recipe.alias}"]


@pytest.mark.slow
def test_a_killed_build_leaves_no_process_no_mount_and_no_image(tmp_path: Path) -> None:
    folder, tools = tmp_path / "images", tmp_path / "tools"
    argv = [sys.executable, "-c", _PREPARE_IMAGE, str(folder / "x"), str(tools)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as builder:
        deadline = time.monotonic() + 60
        while not at_work_in(folder):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(3)
        builder.kill()
        builder.communicate()
    for _ in range(100):
        if not at_work_in(folder):
            break
        time.sleep(0.1)
    assert at_work_in(folder) == []
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert not (folder / "x").exists()


def at_work_in(folder: Path) -> list[int]:
    """Processes of mmdebstrap that were told this folder."""
    return [pid for pid in process_ids() if any(str(folder) in word for word in command_line(pid))][1:]
