"""Containers and images, by nerdctl (2.x) on containerd. An adapter: it decides nothing.

Everything of ours lives in containerd's namespace ``du``, so that a container of somebody else is never seen and
never touched. A container writes its log to a file through containerd's shim: nerdctl's own loggers take a process
of 27 MB for each container.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from du_node.command import Done, run
from du_node.errors import NodeError
from du_node.runtime.arguments import SecretFile, before_arguments, run_arguments
from du_node.runtime.driver import ContainerState
from du_node.runtime.labels import container_of, name_of
from du_node.runtime.logs import fresh_log
from du_node.runtime.words import pull_error, tool_error
from du_node.state import Container, Service
from du_node.wanted import is_awkward

_NERDCTL = ("nerdctl", "--namespace", "du")
_ROW = "{{json .Names}}\t{{json .Image}}\t{{json .Status}}\t{{json .LabelsMap}}"
_PULL_TIMEOUT = 900
_CONTAINERD = "/run/containerd/containerd.sock"


class Nerdctl:
    """nerdctl on containerd. ``lock`` is a descriptor that its processes inherit."""

    kind = "containerd"
    programs: tuple[str, ...] = ("containerd",)
    storage = "/var/lib/containerd"

    def __init__(self, lock: int | None = None) -> None:
        self._keep = () if lock is None else (lock,)

    def ensure(self, patience: float = 15.0) -> None:
        """Have containerd started if it does not answer, and wait for it. Raises NodeError tool.

        ``restart``, because systemd refuses to ``start`` a service that waits for its own restart (5 s for Debian's).
        """
        deadline = time.monotonic() + patience
        if not _answers(_CONTAINERD):
            run(["systemctl", "restart", "containerd"])
        while not _answers(_CONTAINERD):
            if time.monotonic() > deadline:
                raise NodeError("tool", "containerd does not answer", todo="see `journalctl -u containerd` on the node")
            time.sleep(0.1)

    def containers(self) -> tuple[Container, ...]:
        """Every slot that has a container, running or not."""
        out = self._must("ps", "--all", "--no-trunc", "--format", _ROW)
        rows = [[json.loads(cell) for cell in line.split("\t", 3)] for line in out.splitlines() if line]
        return tuple(_container(row) for row in rows if (row[3] or {}).get("du.slot"))

    def images(self) -> frozenset[str]:
        """The references of all images."""
        return frozenset(self._must("image", "ls", "--format", "{{.Name}}").split())

    def pull(self, service: Service) -> None:
        """Fetch the image. Raises NodeError registry, image or no-room."""
        done = self._run("pull", "--quiet", service.image, timeout=_PULL_TIMEOUT)
        if done.code:
            raise pull_error(service, done.err)

    def architecture(self, image: str) -> str:
        """What kind of machine an image in the store is made for."""
        return self._must("image", "inspect", "--format", "{{.Architecture}}", image).strip()

    def state(self, name: str) -> ContainerState:
        """How a container is; nerdctl keeps the pid of one that has ended, and knows nothing of memory."""
        done = self._run("container", "inspect", "--format", "{{json .State}}", name)
        if done.code and "no such" in done.err.lower():
            return ContainerState()
        if done.code:
            raise tool_error(f"{name} could not be looked at", done)
        return _state(json.loads(done.out))

    def start_new(self, service: Service, slot: str, port: int) -> None:
        """Make and start the slot's container."""
        log = fresh_log(service.name, slot)
        self._make(service, lambda env_file: run_arguments(service, slot, port, log, env_file))

    def start_before(self, service: Service, attempt: str, command: Sequence[str]) -> None:
        """Start the command that runs before a release."""
        log = fresh_log(service.name, "before")
        self._make(service, lambda env_file: before_arguments(service, attempt, command, log, env_file))

    def _make(self, service: Service, arguments: Callable[[int], Sequence[str]]) -> None:
        """Run a new container with the service's environment."""
        awkward = {name: value for name, value in service.env if is_awkward(value)}
        with SecretFile([(n, v) for n, v in service.env if n not in awkward]) as env_file:
            done = self._run(*arguments(env_file), keep=[env_file], more_env=awkward)
        if done.code:
            raise tool_error(f"{service.name} could not be started", done, service.name)

    def start(self, container: Container) -> None:
        """Start a stopped container; its network is made anew."""
        self._must("start", name_of(container))

    def restart(self, container: Container) -> None:
        """Stop with grace, then start."""
        self._must("restart", "--time", str(container.stop_grace), name_of(container), timeout=120)

    def stop(self, container: Container) -> None:
        """SIGTERM, and SIGKILL after the grace period."""
        grace = str(container.stop_grace)
        self._must("stop", "--time", grace, name_of(container), timeout=container.stop_grace + 60)

    def remove(self, container: Container) -> None:
        """Remove the container, running or not; none there is as good."""
        self.remove_name(name_of(container))

    def remove_name(self, name: str) -> None:
        """Remove by name."""
        done = self._run("rm", "--force", "--volumes", name)
        if done.code and "no such container" not in done.err.lower():
            raise tool_error(f"{name} could not be removed", done)

    def remove_image(self, image: str) -> None:
        """Remove an image that nothing uses."""
        done = self._run("rmi", image)
        if done.code and "no such image" not in done.err.lower():
            raise tool_error(f"image {image} could not be removed", done)

    def _run(
        self,
        *arguments: str,
        timeout: float = 60,
        keep: Sequence[int] = (),
        more_env: Mapping[str, str] | None = None,
    ) -> Done:
        argv = [*_NERDCTL, *arguments]
        return run(argv, timeout=timeout, keep=[*self._keep, *keep], more_env=more_env or {})

    def _must(self, *arguments: str, timeout: float = 60) -> str:
        done = self._run(*arguments, timeout=timeout)
        if done.code:
            raise tool_error(f"`nerdctl {arguments[0]}` failed", done)
        return done.out


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1.0)
        return link.connect_ex(address) == 0


def _container(row: Sequence[Any]) -> Container:
    _, image, status, labels = row
    return container_of(labels, image, running=status.startswith("Up"), exit_code=_exit_code(status))


def _state(told: Mapping[str, Any]) -> ContainerState:
    running = told.get("Status") in ("running", "paused")
    ended = told.get("Status") == "exited"
    return ContainerState(
        exists=True,
        running=running,
        pid=int(told.get("Pid") or 0) if running else 0,
        exit_code=int(told.get("ExitCode") or 0) if ended else -1,
    )


def _exit_code(status: str) -> int:
    """From nerdctl's words: "Exited (3) 2 seconds ago"."""
    code = status.partition("(")[2].partition(")")[0]
    return int(code) if status.startswith("Exited") and code.isdigit() else 0
