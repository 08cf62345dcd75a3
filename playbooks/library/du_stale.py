#!/usr/bin/python
"""Ansible module: units that run from files which were replaced are started anew."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: du_stale
short_description: Units run the programs and libraries that are on disk
description:
  - A package that is brought up to date replaces files; a program that runs goes on with the old ones until it is
    started anew. This restarts the units whose main process does.
  - Units that do not run are left alone.
options:
  units:
    description: The units, in the order in which they are restarted.
    type: list
    elements: str
    required: true
author: du-infra
"""

EXAMPLES = r"""
- name: Start anew what runs from replaced files
  du_stale:
    units: [containerd.service, nginx.service]
"""

RETURN = r"""
restarted:
  description: The units that were restarted, or would be.
  returned: success
  type: list
"""

_PROC = Path("/proc")
_GONE = " (deleted)"
# Programs and libraries: what else a process has mapped (shared memory, its own files) says nothing.
_CODE = re.compile(r"^\S+ ..x. .* (/(?:usr|lib|bin|sbin|opt)\S*) \(deleted\)$", re.MULTILINE)


def stale(pid: int, proc: Path = _PROC) -> list[str]:
    """The replaced programs and libraries that a process runs from; none of one that is gone."""
    try:
        program = str((proc / str(pid) / "exe").readlink())
        mapped = (proc / str(pid) / "maps").read_text(errors="replace")
    except OSError:
        return []
    own = [program.removesuffix(_GONE)] if program.endswith(_GONE) else []
    return sorted({*own, *_CODE.findall(mapped)})


def main_pids(units: list[str]) -> dict[str, int]:
    """The main process of each unit; 0 where it does not run."""
    show = ["systemctl", "show", "--property=MainPID", "--value", *units]
    lines = subprocess.run(show, capture_output=True, text=True, check=True).stdout.split()
    return dict(zip(units, map(int, lines), strict=True))


def main() -> None:
    """Entry point for Ansible."""
    module = AnsibleModule({"units": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True)
    pids = main_pids(module.params["units"])
    restarted = [unit for unit, pid in pids.items() if pid and stale(pid)]
    for unit in [] if module.check_mode else restarted:
        done = subprocess.run(["systemctl", "restart", unit], capture_output=True, text=True, check=False)
        if done.returncode:
            module.fail_json(msg=f"systemctl restart {unit}: {done.stderr.strip()}", restarted=restarted)
    module.exit_json(changed=bool(restarted), restarted=restarted)


if __name__ == "__main__":
    main()
