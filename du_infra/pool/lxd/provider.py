"""The Provider contract (du_infra.pool.driver), kept by LXD on this machine."""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from urllib.parse import quote

from du_infra import paths
from du_infra.engines.lock import exclusive
from du_infra.engines.lxd import Lxd, find_lxd
from du_infra.errors import NotReady
from du_infra.pool.lxd import daemon, image, kernel, network, profile, storage, teardown
from du_infra.pool.lxd.machines import machine
from du_infra.pool.lxd.recipe import Recipe
from du_infra.pool.lxd.site import HERE, Site
from du_infra.pool.room import Room
from du_infra.pool.state import Machine, Network, Registry
from du_infra.progress import Reporter, silent

_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
_POLL = 0.2
_OTHER_PREPARATION = 1200.0


class LxdProvider:
    """LXD as a cloud of small VMs with ``runtime`` in them. ``key_timeout`` is how long to wait for a node's host key,
    in seconds.
    """

    def __init__(self, site: Site = HERE, *, runtime: str = "containerd", key_timeout: float = 60) -> None:
        self.site = site
        self.runtime = runtime
        self._key_timeout = key_timeout

    @cached_property
    def lxd(self) -> Lxd:
        """This machine's LXD. Raises ToolMissing when there is none."""
        return find_lxd()

    @cached_property
    def recipe(self) -> Recipe:
        """What our nodes are made of."""
        return image.recipe_for(self.site, self.runtime)

    def prepare(self, report: Reporter) -> None:
        """Have daemon, bridge, pool and node image; about 0.2 s when all stand."""
        with self._at_work(report):
            kernel.ensure(report)
            daemon.ensure(self.lxd, report)
            network.ensure(self.lxd, self.site, report)
            storage.ensure(self.lxd, self.site, report)
            profile.ensure(self.lxd, self.site)
            image.ensure(self.lxd, self.recipe, report)

    def connect(self) -> None:
        """Have a daemon that answers."""
        if not self.lxd.answers():
            with self._at_work(silent):
                daemon.ensure(self.lxd, silent)

    def terraform_env(self) -> dict[str, str]:
        """The socket of LXD's API; it needs no key."""
        return self.lxd.env

    def terraform_vars(self) -> Mapping[str, object]:
        """Inputs of modules/region-pool/lxd."""
        site = self.site
        return {
            "image": self.recipe.alias,
            "network": site.bridge,
            "storage_pool": site.pool,
            "profile": site.profile,
        }

    def network(self) -> Network:
        """The bridge's addresses; this machine itself may reach SSH."""
        site = self.site
        admin = (f"{site.gateway}/32",)
        return Network(str(site.network), site.gateway, site.first, site.last, admin)

    def giving_out(self, report: Reporter) -> AbstractContextManager[None]:
        """The bridge is this machine's own, so a lock on this machine is enough."""
        lock = paths.run() / "addresses.lock"
        return exclusive(lock, what="the local cloud's machines", report=report, wait=_OTHER_PREPARATION)

    def registries(self) -> list[Registry]:
        """The local registry speaks plain HTTP."""
        return [Registry(f"{self.site.registry_name}:{self.site.registry_port}", self.site.registry)]

    def prepare_images(self, images: Mapping[str, Sequence[str]], report: Reporter) -> None:
        """Run the local registry and push the sample images that the region asks for."""
        from du_infra.local import registry, samples

        registry.ensure(report, self.site)
        samples.ensure(samples.wanted(images, self.site), report, self.site)

    def room(self) -> Room:
        """This machine: LXD starts a larger instance, which finds out too late that it is not."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return Room(os.cpu_count() or 1, memory >> 20)

    def machines(self) -> list[Machine]:
        """Every instance, running or not, ours or not."""
        return [machine(instance) for instance in self.lxd.query("/1.0/instances?recursion=1")]

    def start(self, name: str) -> None:
        """Start a stopped instance, wake a paused one; nothing happens to a running one."""
        where = f"/1.0/instances/{quote(name)}"
        status = self.lxd.query(where)["status"]
        if status != "Running":
            action = "unfreeze" if status == "Frozen" else "start"
            self.lxd.query(f"{where}/state", "PUT", {"action": action, "timeout": 30})

    def halt(self, name: str) -> None:
        """Stop an instance by force: one that is still booting does not hear that it should shut down."""
        where = f"/1.0/instances/{quote(name)}"
        if self.lxd.query(where)["status"] != "Stopped":
            self.lxd.query(f"{where}/state", "PUT", {"action": "stop", "force": True, "timeout": 30})

    def host_key(self, name: str) -> str:
        """See Provider: the daemon reads the file inside the instance; nothing goes over the network."""
        deadline = time.monotonic() + self._key_timeout
        while True:
            key = parse_host_key(self.lxd.read_file(name, _HOST_KEY) or b"")
            if key:
                return key
            if time.monotonic() > deadline:
                raise NotReady(
                    f"no SSH host key after {self._key_timeout:.0f} s",
                    where=name,
                    todo=f"look at its first boot: `lxc exec {name} -- cloud-init status --long`",
                )
            time.sleep(_POLL)

    def ours(self) -> list[str]:
        """The instances that any du-infra made, whichever fleet they belong to."""
        return teardown.ours(self.lxd.query("/1.0/instances?recursion=1"))

    def remove(self, report: Reporter) -> None:
        """Take the local cloud away, instances included; see teardown."""
        with self._at_work(report):
            daemon.ensure(self.lxd, report)
            teardown.remove(self.lxd, self.site, report)
        teardown.forget_files()

    def standing(self) -> dict[str, bool]:
        """What there is of the local cloud: "daemon", "bridge", "pool", "image". Starts nothing."""
        if not self.lxd.answers():
            return dict.fromkeys(("daemon", "bridge", "pool", "image"), False)
        return {
            "daemon": True,
            "bridge": self.lxd.find(f"/1.0/networks/{self.site.bridge}") is not None,
            "pool": self.lxd.find(f"/1.0/storage-pools/{self.site.pool}") is not None,
            "image": image.present(self.lxd, self.recipe),
        }

    def _at_work(self, report: Reporter) -> AbstractContextManager[None]:
        daemon.require_root()
        lock = paths.run() / "local.lock"
        return exclusive(lock, what="the local cloud", report=report, wait=_OTHER_PREPARATION)


def parse_host_key(content: bytes) -> str:
    """ "ssh-ed25519 AAAA…" without the comment; "" while the file is not whole yet.

    The key blob is a length-prefixed name and a length-prefixed 32-byte key: 51 bytes (RFC 8709).
    """
    words = content.decode(errors="replace").split()
    if len(words) < 2 or words[0] != "ssh-ed25519":
        return ""
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return ""
    return f"{words[0]} {words[1]}" if len(blob) == 51 else ""
