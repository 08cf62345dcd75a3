"""Which programs run from files that were replaced since."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path
from shutil import copy

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"

stale = runpy.run_path(str(PLAYBOOKS / "library" / "du_stale.py"))["stale"]

MAPS = """\
55d0-55d1 r--p 00000000 00:2f 11 /usr/sbin/nginx
7f10-7f11 r-xp 00001000 00:2f 12 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
7f11-7f12 r--p 00002000 00:2f 12 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
7f20-7f21 r-xp 00001000 00:2f 13 /usr/lib/x86_64-linux-gnu/libc.so.6
7f30-7f31 rw-s 00000000 00:01 14 /dev/zero (deleted)
7f40-7f41 r-xp 00000000 00:01 15 /memfd:jit (deleted)
"""


def process(proc: Path, program: str, maps: str = "") -> None:
    (proc / "7").mkdir()
    (proc / "7" / "exe").symlink_to(program)
    (proc / "7" / "maps").write_text(maps)


def test_a_library_that_was_replaced_is_found_and_shared_memory_is_none(tmp_path: Path) -> None:
    process(tmp_path, "/usr/sbin/nginx", MAPS)
    assert stale(7, tmp_path) == ["/usr/lib/x86_64-linux-gnu/libssl.so.3"]


def test_a_program_that_was_replaced_is_found(tmp_path: Path) -> None:
    process(tmp_path, "/usr/sbin/nginx (deleted)")
    assert stale(7, tmp_path) == ["/usr/sbin/nginx"]


def test_a_process_that_is_gone_runs_from_nothing(tmp_path: Path) -> None:
    assert stale(7, tmp_path) == []


def test_a_real_process_is_stale_once_its_program_is_replaced(tmp_path: Path) -> None:
    program = tmp_path / "sleep"
    copy("/bin/sleep", program)
    process = subprocess.Popen([program, "60"])
    try:
        assert stale(process.pid) == []
        copy("/bin/sleep", tmp_path / "new")
        (tmp_path / "new").rename(program)
        assert stale(process.pid) == [str(program)]
    finally:
        process.kill()
        process.wait()
