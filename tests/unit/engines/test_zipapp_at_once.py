"""du-node is packed by every command that needs it; two of them may do so at the same time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

BUILD = """
import sys, time
from pathlib import Path
from du_infra.engines import zipapp
zipapp._archive = lambda: b"always the same"
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
for number in range(200):
    zipapp.build(Path(sys.argv[1]) / str(number))
"""


def test_who_packs_at_the_same_time_does_not_disturb_the_other(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", BUILD, str(tmp_path), str(time.time() + 1.5)]
    packers = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    words = [packer.communicate(timeout=60)[1] for packer in packers]
    assert [packer.returncode for packer in packers] == [0, 0, 0], words
    left = {path.name for folder in tmp_path.iterdir() for path in folder.iterdir()}
    assert len(left) == 1
