"""The script that turns swap on, as a shell runs it, on a machine of stubs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.templates import rendered

_STUB = """#!/bin/sh
echo "$(basename "$0") $*" >>{log}
case "$(basename "$0")" in
  modprobe) {modprobe} ;;
  fallocate) : >"$3" ;;
  swapon) for last; do :; done; echo "$last partition 1 0" >>{swaps} ;;
esac
"""
_HEAD = "Filename Type Size Used Priority\n"


class Machine:
    """``run`` says what was called; ``swaps`` is what /proc/swaps has."""

    def __init__(self, folder: Path, *, zram: bool = True) -> None:
        self.folder = folder
        self.swaps = folder / "swaps"
        self.swaps.write_text(_HEAD)
        modprobe = f"mkdir -p {folder}/zram0" if zram else "exit 1"
        (folder / "bin").mkdir()
        for name in ("modprobe", "mkswap", "swapon", "blkid", "fallocate"):
            stub = folder / "bin" / name
            stub.write_text(_STUB.format(log=folder / "log", swaps=self.swaps, modprobe=modprobe))
            stub.chmod(0o755)

    def run(self, *, swap: int = 1024, zram: int = 0) -> list[str]:
        text = rendered("base", "swap.sh.j2", base_swap_mb=swap, base_zram_mb=zram)
        places = {"/proc/swaps": self.swaps, "/sys/block": self.folder, "/swapfile": self.folder / "swapfile"}
        for place, ours in places.items():
            text = text.replace(place, str(ours))
        (self.folder / "log").write_text("")
        env = {"PATH": f"{self.folder}/bin:/usr/bin:/bin"}
        done = subprocess.run(["sh", "-eu", "-c", text], env=env, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        calls = (self.folder / "log").read_text().replace(str(self.folder), "").splitlines()
        return [call for call in calls if not call.startswith("blkid")]

    @property
    def on(self) -> list[str]:
        lines = self.swaps.read_text().replace(str(self.folder), "").splitlines()[1:]
        return [line.split()[0] for line in lines]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_swap_file_is_made_once(machine: Machine) -> None:
    assert machine.run()[0] == "fallocate -l 1024M /swapfile.new"
    assert machine.on == ["/swapfile"]
    assert machine.run() == []


def test_compressed_memory_comes_before_the_file(machine: Machine) -> None:
    machine.run(zram=512)
    assert machine.on == ["/dev/zram0", "/swapfile"]
    assert (machine.folder / "zram0" / "disksize").read_text() == "512M\n"
    assert machine.run(zram=512) == []
    machine.swaps.write_text(_HEAD)
    assert "swapon --priority 100 /dev/zram0" in machine.run(zram=512)


def test_a_kernel_that_cannot_compress_has_the_file_all_the_same(tmp_path: Path) -> None:
    machine = Machine(tmp_path, zram=False)
    machine.run(zram=512)
    assert machine.on == ["/swapfile"]


def test_a_machine_that_came_with_swap_keeps_its_own(machine: Machine) -> None:
    machine.swaps.write_text(f"{_HEAD}/dev/vda2 partition 1 0\n")
    machine.run(zram=512)
    assert machine.on == ["/dev/vda2", "/dev/zram0"]


def test_no_size_is_no_swap(machine: Machine) -> None:
    assert machine.run(swap=0) == []
