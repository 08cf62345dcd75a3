"""The inventory of one run: a file that only this user can read, because variables may be secret."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from du_infra.engines import ssh

GROUP = "nodes"


def inventory(
    targets: Sequence[ssh.Target],
    variables: Mapping[str, object],
    host_variables: Mapping[str, Mapping[str, object]],
) -> dict[str, Any]:
    """Ansible's YAML inventory as data: one group ``nodes``, its variables, and each host's own."""
    hosts = {target.name: {**_connection(target), **host_variables.get(target.name, {})} for target in targets}
    return {GROUP: {"hosts": hosts, "vars": dict(variables)}}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the inventory, mode 0600 from its first byte; JSON is YAML too."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, default=_plain)


def _plain(value: object) -> object:
    """What JSON does not know: our own plain data, and paths."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"Ansible cannot be given a {type(value).__name__}")


def _connection(target: ssh.Target) -> dict[str, object]:
    return {
        "ansible_host": target.address,
        "ansible_user": target.user,
        # Discovery fails on some machines and costs a round trip on the others.
        "ansible_python_interpreter": "/usr/bin/python3",
        # Ours only: Ansible's own ssh_args would open a second connection beside the shared one.
        "ansible_ssh_args": shlex.join(ssh.common_args(target)),
    }
