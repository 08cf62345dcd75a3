"""Taking the local cloud away: everything that carries our mark, and nothing else."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from du_infra import paths
from du_infra.engines.daemon import command_line, gone, process_ids
from du_infra.engines.lxd import Lxd
from du_infra.engines.process import run
from du_infra.errors import EngineFailed, Refused
from du_infra.pool.lxd import daemon
from du_infra.pool.lxd.recipe import DESCRIPTION
from du_infra.pool.lxd.site import MARK, Site
from du_infra.progress import Event, Reporter

STAGE = "local cloud"

_SHUTDOWN_SECONDS = 60
_LET_GO_SECONDS = 30
_POLL = 1.0
_IN_DATA = ("registry", "registry.log", "lxd.log", "lxcfs.log")
_IN_RUN = (
    *("ssh", "registry.pid", "lxd.pid", "lxcfs.pid"),
    *("local.lock", "addresses.lock", "registry.lock", "samples.lock"),
)


def ours(instances: Sequence[dict[str, Any]]) -> list[str]:
    """Names of the instances that any du-infra made."""
    return [one["name"] for one in instances if one["config"].get(f"{MARK}.owner")]


def our_images(images: Sequence[dict[str, Any]]) -> list[str]:
    """Fingerprints of the node images, by what they say of themselves: a kill leaves one without its alias."""
    return [one["fingerprint"] for one in images if one["properties"].get("description", "").startswith(DESCRIPTION)]


def remove(lxd: Lxd, site: Site, report: Reporter) -> None:
    """Delete our instances, images, profile, pool and bridge; then stop what we started ourselves.

    A daemon that serves anybody else's instance goes on running. Raises Refused when one of them lives in our pool,
    before anything is deleted.
    """
    instances = ours(lxd.query("/1.0/instances?recursion=1"))
    pool = f"/1.0/storage-pools/{quote(site.pool)}"
    _nobody_else(set(instances_in(lxd.find(pool))) - set(instances))
    for name in instances:
        report(Event("step", STAGE, "deleting", node=name))
        lxd.delete(name)
    for fingerprint in our_images(lxd.query("/1.0/images?recursion=1")):
        lxd.query(f"/1.0/images/{fingerprint}", "DELETE")
    _remove_marked(lxd, f"/1.0/profiles/{quote(site.profile)}", report)
    _remove_pool(lxd, pool, report)
    _remove_marked(lxd, f"/1.0/networks/{quote(site.bridge)}", report)
    if not lxd.query("/1.0/instances"):
        stop_daemons(lxd, report)


def stop_daemons(lxd: Lxd, report: Reporter) -> None:
    """Stop LXD and lxcfs where they are processes of our own, and undo their mounts."""
    server = daemon.lxd_daemon(lxd)
    pid = server.find()
    if pid is not None:
        report(Event("step", STAGE, "stopping the LXD daemon"))
        run([lxd.server, "shutdown", f"--timeout={_SHUTDOWN_SECONDS}"], what="stop LXD", env=lxd.env)
        gone(pid, _SHUTDOWN_SECONDS)
        server.stop()
        for folder in ("devlxd", "shmounts"):
            _unmount(lxd.folder / folder)
    cgroups = daemon.lxcfs_daemon()
    if cgroups.find() is not None and not containers_running():
        cgroups.stop()
        _unmount(daemon.LXCFS)
    for log in (server.log, cgroups.log):
        log.unlink(missing_ok=True)


def containers_running() -> bool:
    """Does any container of this machine run? One of another daemon needs the same lxcfs."""
    return any((command_line(pid) or [""])[0].startswith("[lxc monitor]") for pid in process_ids())


def forget_files() -> None:
    """Remove what the local cloud kept on this machine; the cache of images and tools stays.

    By name: a user may have moved these folders to where other things are (DU_INFRA_DATA, DU_INFRA_RUN).
    """
    for folder, names in ((paths.data(), _IN_DATA), (paths.run(), _IN_RUN)):
        for path in (folder / name for name in names):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: so it is not ours alone
            folder.rmdir()


def _remove_marked(lxd: Lxd, path: str, report: Reporter) -> None:
    found = lxd.find(path)
    if found is not None and found["config"].get(MARK) == "true":
        report(Event("step", STAGE, f"deleting {path.removeprefix('/1.0/')}"))
        lxd.query(path, "DELETE")


def _remove_pool(lxd: Lxd, path: str, report: Reporter) -> None:
    """Delete the pool once nothing lives in it: LXD may still be taking away what it was told to before.

    A daemon that was killed forgets copies of images it had unpacked there; they go first.
    """
    deadline = time.monotonic() + _LET_GO_SECONDS
    while True:
        try:
            return _remove_marked(lxd, path, report)
        except EngineFailed as error:
            if "in use" not in error.detail or time.monotonic() > deadline:
                raise
        for volume in lxd.query(f"{path}/volumes") or ():
            if "/volumes/image/" in volume:
                lxd.query(volume, "DELETE")
        time.sleep(_POLL)


def instances_in(pool: Mapping[str, Any] | None) -> list[str]:
    """Names of the instances that live in a storage pool, as LXD's API shows it."""
    users = pool["used_by"] or () if pool is not None else ()  # null where nobody uses it
    parts = (user.partition("?")[0].split("/") for user in users)
    return sorted(unquote(words[3]) for words in parts if words[2:3] == ["instances"])


def _nobody_else(names: Collection[str]) -> None:
    if names:
        raise Refused(
            f"in its storage pool live instances that du-infra did not make: {', '.join(sorted(names))}",
            where="the local cloud",
            todo="move or delete them (`lxc delete NAME`), then run the same command again",
        )


def _unmount(folder: Path) -> None:
    if daemon.mounted(folder):
        run(["umount", "--lazy", str(folder)], what=f"unmount {folder}")
