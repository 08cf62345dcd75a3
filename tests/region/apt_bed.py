"""A small apt repository on a node: a package that has an update, and may ask for a reboot."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tests.region.conftest import lxc, push

PACKAGE = "du-test"
SETTINGS = f"/etc/{PACKAGE}.conf"
OURS = "# changed by us\n"
ASKS = f"/etc/{PACKAGE}.reboot"
"""Where this file is, the package asks for a reboot when it is brought up to date."""

_REPOSITORY = "/srv/apt"
_POSTINST = f"#!/bin/sh\nset -e\n[ ! -e {ASKS} ] || touch /run/reboot-required\n"
_SOURCE = f"deb [trusted=yes] file:{_REPOSITORY} ./\n"


def old_package(folder: Path, node: str) -> None:
    """Install the first version on a node, and have us change its settings."""
    push(str(_build(folder, "1")), f"{node}/root/{PACKAGE}.deb")
    sh(node, f"rm /etc/apt/sources.list && dpkg -i /root/{PACKAGE}.deb && printf '{OURS}' >{SETTINGS}")


def offer(folder: Path, node: str, version: str) -> None:
    """Have the node's only repository offer this version."""
    deb = _build(folder, version)
    control = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, text=True, check=True).stdout
    content = deb.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    index = f"{control.strip()}\nFilename: ./{deb.name}\nSize: {len(content)}\nSHA256: {digest}\n"
    (folder / "Packages").write_text(index)
    (folder / "test.list").write_text(_SOURCE)
    for source, target in ((deb, f"{_REPOSITORY}/{deb.name}"), (folder / "Packages", f"{_REPOSITORY}/Packages")):
        push("-p", str(source), f"{node}{target}")
    push(str(folder / "test.list"), f"{node}/etc/apt/sources.list.d/test.list")
    # apt reads a file: repository as its own user
    sh(node, f"chmod -R a+rX {_REPOSITORY}")


def version_on(node: str) -> str:
    """The version that is installed there."""
    return sh(node, f"dpkg-query -W -f '${{Version}}' {PACKAGE}")


def sh(node: str, script: str) -> str:
    """Run a script on a node and return what it says."""
    return lxc("exec", node, "-T", "--", "sh", "-ec", script).strip()


def _build(folder: Path, version: str) -> Path:
    root = folder / f"{PACKAGE}_{version}"
    (root / "DEBIAN").mkdir(parents=True, exist_ok=True)
    (root / "etc").mkdir(exist_ok=True)
    (root / SETTINGS.lstrip("/")).write_text(f"# of version {version}\n")
    control = f"Package: {PACKAGE}\nVersion: {version}\nArchitecture: all\nMaintainer: du-infra <du@example.com>\n"
    (root / "DEBIAN" / "control").write_text(f"{control}Description: has an update\n")
    (root / "DEBIAN" / "conffiles").write_text(f"{SETTINGS}\n")
    (root / "DEBIAN" / "postinst").write_text(_POSTINST)
    (root / "DEBIAN" / "postinst").chmod(0o755)
    built = folder / f"{PACKAGE}_{version}_all.deb"
    command = ["dpkg-deb", "--build", "--root-owner-group", str(root), str(built)]
    subprocess.run(command, capture_output=True, check=True)
    return built
