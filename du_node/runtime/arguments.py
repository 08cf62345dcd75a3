"""The command line that makes a container, and the environment that never stands on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from du_node.runtime.labels import labels_of, slot_name
from du_node.state import Service
from du_node.wanted import is_awkward


def run_arguments(service: Service, slot: str, port: int, log: Path, env_file: int) -> list[str]:
    """The arguments of ``run`` that make the container, for nerdctl and docker alike.

    No environment value is among them: they are in ``env_file``, and one that such a file cannot carry is taken
    from the command's own environment.
    """
    labels = labels_of(service, slot, port)
    arguments = ["run", "--detach", "--pull", "never", "--name", slot_name(service.name, slot)]
    arguments += [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    arguments += ["--publish", f"127.0.0.1:{port}:{service.port}", "--log-driver", f"file://{log}"]
    arguments += ["--env-file", f"/dev/fd/{env_file}"] if service.env else []
    arguments += [word for name, value in service.env if is_awkward(value) for word in ("--env", name)]
    if service.memory_mb:
        arguments += ["--memory", f"{service.memory_mb}m"]
    return [*arguments, service.image, *service.command]


class SecretFile:
    """NAME=value lines in memory only: nothing to clean up, nothing for other users or a backup to find."""

    def __init__(self, env: Sequence[tuple[str, str]]) -> None:
        self._text = "".join(f"{name}={value}\n" for name, value in env)

    def __enter__(self) -> int:
        self._file = os.memfd_create("du-env")
        os.write(self._file, self._text.encode())
        return self._file

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
