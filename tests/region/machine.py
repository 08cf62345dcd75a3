"""Machines of the local cloud that nobody but a test made: launched by our provider's inputs, and when they booted."""

from __future__ import annotations

import json
import subprocess
import time

from du_infra.pool.lxd.provider import LxdProvider
from du_infra.pool.lxd.site import MARK
from tests.region.conftest import lxc

SETTINGS = (f"{MARK}.owner=tests", "limits.cpu=1", "security.nesting=true", "security.privileged=true")
"""What all of them are told; the mark has the end of a run take away one whose test was killed."""


def launch(provider: LxdProvider, name: str, *, memory: str = "1GiB", seconds: float = 30) -> str:
    """A machine of one CPU as our provider makes them; its address, for which ``seconds`` are waited."""
    given = provider.terraform_vars()
    options = ["-n", str(given["network"]), "-s", str(given["storage_pool"])]
    for setting in (*SETTINGS, f"limits.memory={memory}"):
        options += ["-c", setting]
    lxc("launch", str(given["image"]), name, "-q", *options)
    return _address(name, seconds)


def remove(name: str) -> None:
    """Take the machine away, whatever became of it; LXD is asked again where it could not."""
    for seconds in (1, 5, 20, 0):
        done = subprocess.run(
            ["lxc", "delete", "-f", name], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode == 0 or "not found" in done.stderr:
            return
        time.sleep(seconds)
    raise AssertionError(f"{name} cannot be deleted: {done.stderr}")


def booted(name: str) -> str:
    """When the machine's systemd began: another number once it was made anew or restarted."""
    return lxc("exec", name, "--", "systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value")


def _address(name: str, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while True:
        assert time.monotonic() < deadline, "no address"
        time.sleep(0.2)
        network = json.loads(lxc("query", f"/1.0/instances/{name}/state"))["network"] or {}
        found = [a["address"] for a in network.get("eth0", {}).get("addresses", ()) if a["family"] == "inet"]
        if found:
            return str(found[0])
