"""A stand-in for ssh that runs what it is given on this machine, so that Ansible itself is real in these tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from du_infra.engines import ssh

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"

_LOCAL_SSH = r"""#!/bin/sh
case "$*" in *"-O exit"*) exit 0;; *nowhere*) echo "ssh: connect to host nowhere: No route to host" >&2; exit 255;; esac
for last; do :; done
exec sh -c "$last"
"""


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ssh.Target]:
    """Two "nodes" that are both this machine."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(_LOCAL_SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "run"))
    return [ssh.Target(name, "198.18.1.1", tmp_path / "id", tmp_path / "known") for name in ("n-1", "n-2")]


@pytest.fixture
def playbook(tmp_path: Path) -> Callable[[str], str]:
    """Write a playbook with these tasks (YAML, two spaces deep) and return its path."""

    def write(tasks: str) -> str:
        path = tmp_path / "playbooks" / "test.yml"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "ansible.cfg").write_text((PLAYBOOKS / "ansible.cfg").read_text())
        path.write_text(f"- hosts: nodes\n  gather_facts: false\n  tasks:\n{tasks}")
        return str(path)

    return write
