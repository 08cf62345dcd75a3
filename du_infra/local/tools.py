"""What this machine needs to run the local cloud: a table, no I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A program we call, what for, and the Debian package that has it ("" when there is none)."""

    program: str
    purpose: str
    package: str


TOOLS = (
    Tool("ssh", "reaches nodes", "openssh-client"),
    Tool("ssh-keygen", "makes the fleet's key", "openssh-client"),
    Tool("skopeo", "looks up and copies images", "skopeo"),
    Tool("lxd", "runs local nodes", "lxd"),
    Tool("lxc", "speaks to LXD", "lxd-client"),
    Tool("lxcfs", "shows nodes their own memory and CPUs", "lxcfs"),
    Tool("dnsmasq", "DHCP and DNS on the local bridge", "dnsmasq-base"),
    Tool("nft", "address translation on the local bridge", "nftables"),
    Tool("ip", "looks at routes and bridges", "iproute2"),
    Tool("mksquashfs", "LXD's images", "squashfs-tools"),
    Tool("setfattr", "LXD's images", "attr"),
    Tool("rsync", "LXD's storage", "rsync"),
    Tool("xz", "LXD's images", "xz-utils"),
    Tool("newuidmap", "LXD's user namespaces", "uidmap"),
    Tool("mkfs.btrfs", "LXD's storage", "btrfs-progs"),
    Tool("mmdebstrap", "makes the node image", "mmdebstrap"),
    Tool("umoci", "makes the sample images", "umoci"),
    Tool("docker-registry", "the local registry", "docker-registry"),
)

EXTRAS = {
    "traffic": (Tool("gdnsd", "answers DNS for a fleet of several regions", "gdnsd"),),
    "browser": (
        Tool("chromium", "shows the status page to tests", "chromium"),
        Tool("chromedriver", "has a browser do what tests say", "chromium-driver"),
    ),
    "postgres": (Tool("initdb", "makes stores for tests that machines share", "postgresql"),),
}
"""What only some need, by what for: a region does without."""

PACKAGES_ON_UBUNTU = {"lxd": "", "lxd-client": "", "lxcfs": ""}
"""Ubuntu has LXD as a snap, lxcfs inside it."""

EXTRA_ON_UBUNTU = ("debian-archive-keyring",)
"""Nodes are Debian, and mmdebstrap checks signatures."""
