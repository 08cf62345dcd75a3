"""The LXD daemon and lxcfs: used where a service manager runs them, started by ourselves where none does."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from du_infra import paths
from du_infra.engines.daemon import Daemon
from du_infra.engines.lxd import Lxd, wait_ready
from du_infra.engines.process import run
from du_infra.errors import EngineFailed, ToolMissing
from du_infra.progress import Event, Reporter

LXCFS = Path("/var/lib/lxcfs")
_START = 60.0
_MOUNT = 10.0


def require_root() -> None:
    """Raise ToolMissing unless we are root: the daemon, its bridge and its pool need it."""
    if os.geteuid() != 0:
        raise ToolMissing("the local cloud needs root", todo="run the same command as root, for example with sudo")


def ensure(lxd: Lxd, report: Reporter) -> None:
    """Have a daemon that answers. A daemon that was killed finds its running nodes again when it starts."""
    if not lxd.snap:
        ensure_lxcfs(report)
    if lxd.answers():
        return
    report(Event("step", "local cloud", "starting the LXD daemon"))
    if systemd_runs():
        _start_by_systemd(lxd)
    else:
        _start_ourselves(lxd)


def ensure_lxcfs(report: Reporter) -> None:
    """Have lxcfs mounted, or nodes would see this machine's memory and CPUs instead of their own."""
    if mounted(LXCFS):
        if _serves(LXCFS):
            return
        # A killed lxcfs leaves a mount that only says "transport endpoint is not connected".
        run(["umount", "--lazy", str(LXCFS)], what="unmount the dead lxcfs")
    report(Event("step", "local cloud", "starting lxcfs"))
    if systemd_runs():
        run(["systemctl", "start", "lxcfs"], what="start lxcfs")
        return
    LXCFS.mkdir(parents=True, exist_ok=True)
    daemon = lxcfs_daemon()
    process = daemon.start()
    deadline = time.monotonic() + _MOUNT
    while not (mounted(LXCFS) and _serves(LXCFS)):
        if time.monotonic() > deadline or process.poll() is not None:
            daemon.stop()
            raise EngineFailed("lxcfs does not come up", where=str(LXCFS), detail=daemon.last_words())
        time.sleep(0.05)


def lxcfs_daemon() -> Daemon:
    """lxcfs as our own process."""
    argv = (shutil.which("lxcfs") or "lxcfs", str(LXCFS))
    return Daemon(argv=argv, pid_file=paths.run() / "lxcfs.pid", log=paths.data() / "lxcfs.log")


def lxd_daemon(lxd: Lxd) -> Daemon:
    """LXD as our own process; only root may speak to it."""
    return Daemon(
        argv=(lxd.server, "--group", "root"),
        pid_file=paths.run() / "lxd.pid",
        log=paths.data() / "lxd.log",
        env={"LXD_DIR": str(lxd.folder)},
    )


def systemd_runs() -> bool:
    """Is systemd the service manager of this machine (sd_booted(3))?"""
    return Path("/run/systemd/system").is_dir()


def mounted(folder: Path) -> bool:
    """Is something mounted on ``folder``? Works for a mount whose server is dead."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == str(folder) for line in lines)


def _serves(folder: Path) -> bool:
    """Does lxcfs answer there? A dead one gives ENOTCONN, but only to what the kernel has not cached: so list."""
    try:
        return any((folder / "proc").iterdir())
    except OSError:
        return False


def _start_by_systemd(lxd: Lxd) -> None:
    if lxd.snap:
        run(["snap", "start", "lxd"], what="start LXD")
    else:
        run(["systemctl", "start", "lxd.socket", "lxd.service"], what="start LXD")
    trouble = wait_ready(lxd, None, _START)
    if trouble:
        unit = "snap.lxd.daemon" if lxd.snap else "lxd"
        raise ToolMissing("the LXD daemon does not come up", todo=f"see `journalctl -u {unit}`", detail=trouble)


def _start_ourselves(lxd: Lxd) -> None:
    lxd.folder.mkdir(parents=True, exist_ok=True)
    daemon = lxd_daemon(lxd)
    process = daemon.start()
    trouble = wait_ready(lxd, process, _START)
    if not trouble:
        return
    words = f"{trouble}\n{daemon.last_words()}"
    daemon.stop()
    raise ToolMissing(
        "the LXD daemon does not come up",
        where=str(lxd.folder),
        todo=f"read the whole log in {daemon.log}; `du-infra doctor` says what LXD needs",
        detail=words,
    )
