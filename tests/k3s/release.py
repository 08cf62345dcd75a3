"""A folder as `k3s.from` in fleet.yaml names it: a release's files, with the stand-in for the program.

The pause image is in the archive of K3s's own images, under the name that K3s has for it, so that nodes need nothing
else of the tests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from du_infra.pool.lxd.site import HERE
from du_infra.progress import silent
from tests.k3s import build

_PAUSE = "docker.io/rancher/mirrored-pause:3.6"


def architecture() -> str:
    """Debian's word for this machine's processor."""
    told = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def program_name() -> str:
    """What a release calls the program for this machine."""
    return "k3s" if architecture() == "amd64" else f"k3s-{architecture()}"


def release(folder: Path, *, images: bool = True, named: str = "") -> Path:
    """Lay a release's files into ``folder``, which is made; returns it. ``named``: another version than its own."""
    folder.mkdir(parents=True, exist_ok=True)
    _borrow(build.binary(silent, named), folder / program_name())
    if images:
        _archive(folder / f"k3s-airgap-images-{architecture()}.tar")
    sums(folder)
    return folder


def sums(folder: Path) -> None:
    """Write the list of checksums anew, for the files that are there."""
    files = sorted(path for path in folder.iterdir() if path.name.startswith("k3s"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / f"sha256sum-{architecture()}.txt").write_text("".join(lines))


def _borrow(source: Path, target: Path) -> None:
    """The same file under another name, where that is possible."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _archive(target: Path) -> None:
    target.unlink(missing_ok=True)
    source = f"docker://{HERE.registry}/{build.pause(silent).partition('/')[2]}"
    command = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", source, f"docker-archive:{target}:{_PAUSE}"]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    print(release(Path(sys.argv[1])))
