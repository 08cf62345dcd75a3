"""What this machine has and lacks, and how to get the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from du_infra import paths
from du_infra.engines.process import run
from du_infra.errors import EngineFailed, ToolMissing
from du_infra.local.tools import EXTRA_ON_UBUNTU, EXTRAS, PACKAGES_ON_UBUNTU, TOOLS, Tool
from du_infra.progress import Event, Reporter

STAGE = "doctor"

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/snap/bin"
_POSTGRES = Path("/usr/lib/postgresql")  # Debian has its server's programs in a folder for each version below
_NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/du-infra.conf")
_NEEDED_BYTES = 5_000_000_000
_APT_SECONDS = 900
_NO_PACKAGES = "apt-get update"
_STARTED_BY_APT = {"docker-registry", "gdnsd"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``ok``, or what to do (``todo``) and which package has it, if one has.

    ``optional``: not there, and nothing asked for needs it; ``fix`` leaves it away.
    """

    name: str
    ok: bool
    detail: str
    todo: str = ""
    package: str = ""
    optional: bool = False


def examine(also: Collection[str] = ()) -> list[Finding]:
    """Look at everything the local cloud needs, and what it does not; changes nothing.

    ``also`` names what else is wanted, of the keys of ``tools.EXTRAS``.
    """
    release = _os_release()
    needed = [_root(), *(_tool(tool, release) for tool in TOOLS), *_extras(release), _terraform(), _disk()]
    return [*needed, *(_optional(tool, use, use in also) for use, tools in EXTRAS.items() for tool in tools)]


def fix(findings: Sequence[Finding], report: Reporter) -> None:
    """Install the missing packages with apt.

    Raises ToolMissing without root or apt, EngineFailed with apt's last words. What apt starts of its own
    accord is stopped again: Debian's registry and its DNS server would listen on every address.
    """
    packages = lacking(findings)
    if not packages:
        return
    if os.geteuid() != 0:
        raise ToolMissing("installing packages needs root", todo=f"sudo apt-get install {' '.join(packages)}")
    if shutil.which("apt-get") is None:
        raise ToolMissing("there is no apt-get on this machine", todo=f"install by hand: {', '.join(packages)}")
    report(Event("step", STAGE, f"installing {', '.join(packages)}"))
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    # Ctrl-C during an install leaves one that apt wants finished before it begins another; nothing to do is quick.
    finish = ["dpkg", "--force-confold", "--configure", "-a"]
    run(finish, what="finish what a killed install left", timeout=_APT_SECONDS, env=environment)
    try:
        run(["apt-get", "update", "-qq"], what="read the package lists", timeout=_APT_SECONDS, env=environment)
    except EngineFailed as error:
        # One broken source among many must not stop the rest; what is missing then is said by the install.
        report(Event("warning", STAGE, f"{_NO_PACKAGES}: {(error.detail.splitlines() or [error.what])[-1]}"))
    if "postgresql" in packages:
        _without_cluster(_NO_CLUSTER)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    run(install, what=f"install {', '.join(packages)}", timeout=_APT_SECONDS, env=environment)
    started = sorted(_STARTED_BY_APT & set(packages))
    if started and Path("/run/systemd/system").is_dir():
        run(["systemctl", "disable", "--now", *started], what=f"stop {', '.join(started)}, which apt started")


def lacking(findings: Sequence[Finding]) -> list[str]:
    """The packages that ``fix`` installs."""
    return sorted({one.package for one in findings if not one.ok and not one.optional and one.package})


def _root() -> Finding:
    ok = os.geteuid() == 0
    return Finding("root", ok, "running as root" if ok else "the local cloud needs root", "" if ok else "use sudo")


def _tool(tool: Tool, release: str) -> Finding:
    where = shutil.which(tool.program, path=_path())
    if where is None and release == "ubuntu" and tool.package in PACKAGES_ON_UBUNTU:
        if tool.program == "lxcfs":
            return Finding(tool.program, True, "part of LXD's snap")
        return Finding(tool.program, False, tool.purpose, "snap install lxd")
    if where is None:
        return Finding(tool.program, False, tool.purpose, f"apt-get install {tool.package}", tool.package)
    return Finding(tool.program, True, where)


def _path() -> str:
    return ":".join([_PATH, *map(str, sorted(_POSTGRES.glob("*/bin")))])


def _without_cluster(file: Path) -> None:
    """Have Debian's package bring PostgreSQL's programs alone: else it makes a server, and starts it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("create_main_cluster = false\n", encoding="utf-8")


def _optional(tool: Tool, use: str, wanted: bool) -> Finding:
    found = _tool(tool, "")
    if found.ok or wanted:
        return found
    return replace(found, optional=True, detail=f"{tool.purpose}; only for {use}", todo=f"du-infra doctor --for {use}")


def _extras(release: str) -> list[Finding]:
    if release != "ubuntu":
        return []
    return [
        Finding(
            name,
            Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists(),
            "signatures",
            f"apt-get install {name}",
            name,
        )
        for name in EXTRA_ON_UBUNTU
    ]


def _terraform() -> Finding:
    from du_infra.engines.terraform import find_binary

    try:
        found = find_binary()
    except ToolMissing as error:
        return Finding("terraform", False, error.what, error.todo)
    return Finding("terraform", True, f"{found.flavor} {found.version} ({found.path})")


def _disk() -> Finding:
    folder = paths.cache()
    free = shutil.disk_usage(folder).free
    ok = free > _NEEDED_BYTES
    todo = "" if ok else f"free some space: images and nodes need about {_NEEDED_BYTES / 1e9:.0f} GB"
    return Finding("disk", ok, f"{free / 1e9:.0f} GB free at {folder}", todo)


def _os_release() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if Path("/etc/os-release").exists() else []
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("ID=")), "")
