#!/usr/bin/python
"""Ansible module: look at a node once, instead of gathering facts and asking several times."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: du_probe
short_description: Look at a node in one round trip
description:
  - Finds out what the roles of du-infra decide by, and sets it as the fact C(du_machine).
  - It changes nothing.
options:
  packages:
    description: Debian packages that the node should have; the missing ones are returned.
    type: list
    elements: str
    default: []
  hashes:
    description: Files whose SHA-256 is asked for.
    type: list
    elements: str
    default: []
  units:
    description: Units of which is asked whether they run, or will run after a boot.
    type: list
    elements: str
    default: []
author: du-infra
"""

EXAMPLES = r"""
- name: Look at the node
  du_probe:
    packages: [containerd, keepalived]
"""

RETURN = r"""
ansible_facts:
  description: >-
    The fact du_machine, with architecture, client (address of this SSH connection's other end), clock (whether
    something sets it), codename, container (whether the node shares its host's kernel), distribution,
    hashes (SHA-256 of each file that is there, by its path), interrupted (whether dpkg was killed, or is at work),
    memory_mb, missing (packages), envoy, nerdctl and nginx (version and path, empty if absent), runtime (that du-node
    has here, empty before the first run), swap_mb, used (those of the units that run or will run after a boot).
  returned: always
  type: dict
"""

_CLOCKS = ("/usr/sbin/chronyd", "/usr/sbin/ntpd", "/usr/lib/systemd/systemd-timesyncd")
_JOURNAL = Path("/var/lib/dpkg/updates")  # empty between two runs of dpkg
_CHUNK = 1 << 20
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing(packages: list[str]) -> list[str]:
    """The packages that are not installed, in the order given."""
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages]
    lines = _output(query).splitlines() if packages else []
    present = {line.split()[0] for line in lines if line.endswith(" installed")}
    return [package for package in packages if package not in present]


def program(name: str, flag: str) -> dict[str, str]:
    """Path and version of a program; both empty when it is not there."""
    path = shutil.which(name, path=_PATH) or ""
    found = re.search(r"\d+\.\d+\.\d+", _output([path, flag])) if path else None
    return {"path": path, "version": found.group() if found else ""}


def hashes(paths: list[str]) -> dict[str, str]:
    """SHA-256 of those of the files that are there. A piece at a time: one of them may be larger than the memory."""
    found = {}
    for path in paths:
        digest = hashlib.sha256()
        try:
            with Path(path).open("rb") as file:
                for block in iter(lambda: file.read(_CHUNK), b""):
                    digest.update(block)
        except OSError:
            continue
        found[path] = digest.hexdigest()
    return found


def used(units: list[str]) -> list[str]:
    """Those of the units that run, try to, or are to be started at the next boot."""
    wanted = {"active", "activating", "reloading", "deactivating", "enabled"}
    return [unit for unit in units if wanted & {_systemd("is-active", unit), _systemd("is-enabled", unit)}]


def _systemd(question: str, unit: str) -> str:
    return _output(["systemctl", question, unit]).strip()


def memory() -> dict[str, int]:
    """Memory and swap in MiB."""
    text = Path("/proc/meminfo").read_text()
    sizes = {name: int(kib) // 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return {"memory_mb": sizes["MemTotal"], "swap_mb": sizes["SwapTotal"]}


def system() -> dict[str, str]:
    """Distribution ("debian", "ubuntu") and codename ("bookworm")."""
    pairs = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
    return {"distribution": pairs.get("ID", ""), "codename": pairs.get("VERSION_CODENAME", "")}


def runtime() -> str:
    """The runtime that du-node has here; a node of the time before there were two has containerd."""
    folder = Path("/var/lib/du-node")
    try:
        return str(json.loads((folder / "settings.json").read_text())["runtime"])
    except (OSError, ValueError, KeyError):
        return "containerd" if (folder / "configured.json").exists() else ""


def architecture() -> str:
    """The processor as Debian and Go name it ("amd64")."""
    return _output(["dpkg", "--print-architecture"]).strip()


def _output(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode("utf-8", "replace")


def main() -> None:
    """Entry point for Ansible."""
    lists = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule({"packages": lists, "hashes": lists, "units": lists}, supports_check_mode=True)
    machine = {
        "architecture": architecture(),
        "client": os.environ.get("SSH_CONNECTION", "").partition(" ")[0],
        "clock": any(Path(daemon).exists() for daemon in _CLOCKS),
        "hashes": hashes(module.params["hashes"]),
        "used": used(module.params["units"]),
        "container": Path("/run/systemd/container").exists(),
        "interrupted": any(_JOURNAL.glob("*")),
        "missing": missing(module.params["packages"]),
        "envoy": program("envoy", "--version"),
        "nerdctl": program("nerdctl", "--version"),
        "nginx": program("nginx", "-v"),
        "runtime": runtime(),
        **memory(),
        **system(),
    }
    module.exit_json(changed=False, ansible_facts={"du_machine": machine})


if __name__ == "__main__":
    main()
