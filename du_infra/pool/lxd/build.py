"""Making a node image: Debian by mmdebstrap, our overlay on top, nerdctl and nginx made meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time
from io import BytesIO
from pathlib import Path

from du_infra.engines.download import need_space, workshop
from du_infra.engines.process import background, contained, failed, need
from du_infra.pool.lxd import nerdctl, nginx
from du_infra.pool.lxd.recipe import (
    EXCLUDED,
    SCRIPT,
    SUITE,
    TEMPLATES,
    Recipe,
    metadata,
    mode,
    overlay_files,
)
from du_infra.progress import Event, Reporter

_NEEDED = 2_000_000_000
_SECONDS = 900
_BINARIES = {"nginx": "usr/libexec/nginx", "nerdctl": "usr/local/bin/nerdctl"}


def build(recipe: Recipe, target: Path, *, tools: Path, report: Reporter) -> None:
    """Make the folder ``target`` with metadata.tar.gz, rootfs.tar and image.json ({"fingerprint": sha256}).

    ``tools`` caches the binaries. The folder appears whole or not at all. Raises EngineFailed with
    mmdebstrap's last words, ToolMissing when a tool or disk space lacks.
    """
    need("mmdebstrap")
    need_space(target.parent, _NEEDED, "a node image")
    with workshop(target.parent) as folder:
        made = folder / target.name
        made.mkdir()
        rootfs = made / "rootfs.tar"
        _lay_out(folder)
        report(Event("step", "node image", f"installing Debian {SUITE} ({len(recipe.packages)} packages)"))
        with background(_mmdebstrap(folder, rootfs, recipe), log=folder / "log", env=_env(folder, recipe)) as work:
            binaries = {name: _provide(name, recipe, tools, report) for name in recipe.binaries}
            _finish(work, folder / "log")
        for name, path in binaries.items():
            _append(rootfs, path, _BINARIES[name])
        _write_metadata(recipe, made)
        shutil.rmtree(target, ignore_errors=True)
        made.replace(target)


def _provide(name: str, recipe: Recipe, tools: Path, report: Reporter) -> Path:
    if name == "nginx":
        return nginx.provide(recipe.architecture, tools)
    return nerdctl.provide(recipe.architecture, tools, report)


def _env(folder: Path, recipe: Recipe) -> dict[str, str]:
    return {"TMPDIR": str(folder), "DU_DNS": recipe.dns, "LC_ALL": "C.UTF-8"}


def _mmdebstrap(folder: Path, rootfs: Path, recipe: Recipe) -> list[str]:
    options = [f"--dpkgopt={rule}" for rule in EXCLUDED]
    options += [f"--customize-hook={folder / SCRIPT.name}", f"--architectures={recipe.architecture}"]
    options += ['--aptopt=Acquire::Languages "none"', "--variant=minbase", f"--include={','.join(recipe.packages)}"]
    # With SOURCE_DATE_EPOCH every file gets that time, and Python compiles all it imports anew on the first boot.
    command = ["env", "--unset=SOURCE_DATE_EPOCH", "mmdebstrap", "--mode=root", "--format=tar"]
    return contained([*command, *options, SUITE, str(rootfs)])


def _lay_out(folder: Path) -> None:
    """Copy the overlay and the script beside each other, with the modes and the owner they need."""
    for name, source in overlay_files().items():
        path = folder / "overlay" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
        path.chmod(mode(name))
    for directory in (folder / "overlay").rglob("*/"):
        directory.chmod(0o755)
    (folder / "overlay").chmod(0o755)
    script = folder / SCRIPT.name
    script.write_bytes(SCRIPT.read_bytes())
    script.chmod(0o755)
    folder.chmod(0o755)


def _finish(work: subprocess.Popen[bytes], log: Path) -> None:
    try:
        code = work.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        code = -1
    if code != 0:
        raise failed("make the node image", "mmdebstrap", log.read_bytes())


def _append(rootfs: Path, binary: Path, name: str) -> None:
    with tarfile.open(rootfs, "a") as tar:
        member = tar.gettarinfo(str(binary), f"./{name}")
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mode = 0o755
        with binary.open("rb") as content:
            tar.addfile(member, content)


def _write_metadata(recipe: Recipe, folder: Path) -> None:
    texts = {f"templates/{name}": text for name, (_, text) in TEMPLATES.items()}
    texts["metadata.yaml"] = metadata(recipe.alias, os.uname().machine, int(time.time()))
    with tarfile.open(folder / "metadata.tar.gz", "w:gz") as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, BytesIO(text.encode()))
    # LXD's fingerprint of a split image is the sha256 of both files in a row.
    digest = hashlib.sha256((folder / "metadata.tar.gz").read_bytes())
    with (folder / "rootfs.tar").open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    described = {"fingerprint": digest.hexdigest(), **recipe.binaries}
    (folder / "image.json").write_text(json.dumps(described) + "\n")
