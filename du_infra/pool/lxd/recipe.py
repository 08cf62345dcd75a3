"""What a node image is made of. Everything that decides its content is hashed into its name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent
OVERLAY = _HERE / "overlay"
SCRIPT = _HERE / "customize.sh"
SUITE = "bookworm"
ALIAS = "du-node-"
DESCRIPTION = "du-infra node "
"""What an image of ours says of itself begins so."""

BUILD = 2
"""Raised when build.py makes another image of the same recipe."""

NERDCTL_VERSION = "2.1.2"
NGINX_VERSION = "1.31.3"

# Everything the roles configure, so that configuring a node installs nothing over the network.
# No netplan.io: cloud-init would hand it the network, and it calls udevadm, which fails in a container.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "cloud-init"),
    *("python3", "python3-apt", "unattended-upgrades", "keepalived"),
    *("iproute2", "iptables", "nftables", "conntrack", "socat", "ethtool", "kmod", "iputils-ping"),
    *("procps", "curl", "ca-certificates", "apparmor", "tzdata", "logrotate"),
)

# One image for each runtime: Docker alone is 150 MB, which a region without it should neither wait for nor keep.
_CONTAINERD = ("containerd", "runc", "containernetworking-plugins")
RUNTIMES = {
    "containerd": _CONTAINERD,
    "docker": ("containerd", "runc", "docker.io"),
    # K3s brings all that it needs, and its role puts the distribution's containerd to rest: the same image again,
    # instead of another to build and to keep.
    "k3s": _CONTAINERD,
}

# Nobody reads manuals inside a node; Debian keeps copyright files by policy, so do we.
EXCLUDED = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)


@dataclass(frozen=True)
class Recipe:
    """One node image: ``architecture`` is Debian's word ("amd64"), ``dns`` the name server of the nodes, ``runtime``
    what runs the containers in them.
    """

    architecture: str
    dns: str
    runtime: str = "containerd"

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian packages, besides what they depend on."""
        return PACKAGES + RUNTIMES[self.runtime]

    @property
    def binaries(self) -> dict[str, str]:
        """Programs that no Debian release has, and their versions."""
        return {"nginx": NGINX_VERSION} | ({"nerdctl": NERDCTL_VERSION} if self.runtime != "docker" else {})

    @property
    def digest(self) -> str:
        """12 hex digits that change with anything that changes the image."""
        parts = {
            "architecture": self.architecture,
            "dns": self.dns,
            "suite": SUITE,
            "build": BUILD,
            "packages": self.packages,
            "excluded": EXCLUDED,
            "binaries": self.binaries,
            "templates": TEMPLATES,
            "files": {name: _sha256(path) for name, path in overlay_files().items()},
            "script": _sha256(SCRIPT),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def alias(self) -> str:
        """The image's name in LXD."""
        return f"{ALIAS}{self.digest}"


TEMPLATES = {
    "hostname.tpl": ("/etc/hostname", "{{ container.name }}\n"),
    "hosts.tpl": (
        "/etc/hosts",
        "127.0.0.1\tlocalhost\n127.0.1.1\t{{ container.name }}\n::1\tlocalhost ip6-localhost\n",
    ),
}
"""Files that LXD writes when it makes a node: template name → (path, text)."""


def metadata(alias: str, machine: str, created: int) -> str:
    """LXD's metadata.yaml (written as JSON, which is YAML). ``machine`` is the kernel's word ("x86_64")."""
    templates = {
        path: {"when": ["create", "copy", "rename"], "template": name} for name, (path, _) in TEMPLATES.items()
    }
    properties = {"description": f"{DESCRIPTION}{alias}", "os": "debian", "release": SUITE}
    content = {
        "architecture": machine,
        "creation_date": created,
        "properties": properties,
        "templates": templates,
    }
    return json.dumps(content, indent=2) + "\n"


def overlay_files() -> dict[str, Path]:
    """Files laid over the packages: path in the image → our file."""
    found = sorted(path for path in OVERLAY.rglob("*") if path.is_file())
    return {str(path.relative_to(OVERLAY)): path for path in found}


def mode(name: str) -> int:
    """The permissions of an overlay file: git and wheels do not keep them reliably."""
    return 0o755 if Path(name).parent.name in ("bin", "sbin", "libexec") else 0o644


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
