"""The command line that makes a container, and the environment that never stands on it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from du_node.runtime.labels import before_labels, before_name, labels_of, slot_name
from du_node.state import Service
from du_node.wanted import is_awkward


@dataclass(frozen=True)
class Given:
    """What a container gets from the node: the descriptor of its environment file, and the words of its mounts and of
    its log."""

    env_file: int
    mounts: Sequence[str] = ()
    log: Sequence[str] = ()


def run_arguments(service: Service, slot: str, port: int, given: Given) -> list[str]:
    """The arguments of ``run`` that make a slot's container, for nerdctl and docker alike.

    No environment value is among them: they are in the environment file, and one that such a file cannot carry is taken
    from the command's own environment.
    """
    arguments = _run(slot_name(service.name, slot), labels_of(service, slot, port))
    arguments += ["--publish", f"127.0.0.1:{port}:{service.port}"]
    return [*arguments, *_settings(service, given), service.image, *service.command]


def before_arguments(service: Service, attempt: str, command: Sequence[str], given: Given) -> list[str]:
    """The same for the command that runs before a release: nothing is published, and it has no slot's labels.

    The command takes the place of the image's own entry point, which may be the service itself.
    """
    arguments = _run(before_name(service.name), before_labels(service, attempt))
    arguments += ["--entrypoint", command[0]]
    return [*arguments, *_settings(service, given), service.image, *command[1:]]


def _run(name: str, labels: Mapping[str, str]) -> list[str]:
    marks = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    return ["run", "--detach", "--pull", "never", "--name", name, *marks]


def _settings(service: Service, given: Given) -> list[str]:
    """What the service's settings make of a container, whatever it runs."""
    arguments = ["--env-file", f"/dev/fd/{given.env_file}"] if service.env else []
    arguments += [word for name, value in service.env if is_awkward(value) for word in ("--env", name)]
    arguments += ["--memory", f"{service.memory_mb}m"] if service.memory_mb else []
    arguments += ["--cpus", f"{service.cpus:g}"] if service.cpus else []
    return [*arguments, *given.mounts, *given.log]


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
