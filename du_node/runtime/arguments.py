"""The command line that makes a container, and the environment that never stands on it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from du_node.runtime.labels import before_name, labels_of, slot_name
from du_node.state import Service
from du_node.wanted import is_awkward


def run_arguments(service: Service, slot: str, port: int, log: Path, env_file: int) -> list[str]:
    """The arguments of ``run`` that make a slot's container, for nerdctl and docker alike.

    No environment value is among them: they are in ``env_file``, and one that such a file cannot carry is taken
    from the command's own environment.
    """
    labels = labels_of(service, slot, port)
    arguments = _run(slot_name(service.name, slot), labels, log)
    arguments += ["--publish", f"127.0.0.1:{port}:{service.port}"]
    return [*arguments, *_settings(service, env_file), service.image, *service.command]


def before_arguments(service: Service, attempt: str, command: Sequence[str], log: Path, env_file: int) -> list[str]:
    """The same for the command that runs before a release: nothing is published, and it has no slot's labels."""
    arguments = _run(before_name(service.name), {"du.before": attempt}, log)
    return [*arguments, *_settings(service, env_file), service.image, *command]


def _run(name: str, labels: Mapping[str, str], log: Path) -> list[str]:
    marks = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    return ["run", "--detach", "--pull", "never", "--name", name, *marks, "--log-driver", f"file://{log}"]


def _settings(service: Service, env_file: int) -> list[str]:
    """What the service's settings make of a container, whatever it runs."""
    arguments = ["--env-file", f"/dev/fd/{env_file}"] if service.env else []
    arguments += [word for name, value in service.env if is_awkward(value) for word in ("--env", name)]
    if service.memory_mb:
        arguments += ["--memory", f"{service.memory_mb}m"]
    return arguments


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
