"""Containers through a command line that nerdctl and docker share: the same words, asked of one or the other.

An adapter: it decides nothing. Where the two differ, there is a method that each has in its own file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from du_node import places
from du_node.command import Done, run
from du_node.errors import NodeError
from du_node.runtime.arguments import Given, SecretFile, before_arguments, run_arguments
from du_node.runtime.driver import ContainerState
from du_node.runtime.labels import container_of, name_of, secrets_of
from du_node.runtime.mounts import mounts
from du_node.runtime.owner import Owner, owner_of
from du_node.runtime.words import pull_error, tool_error
from du_node.secrets import Key
from du_node.state import Container, Copies, Service
from du_node.wanted import is_awkward

_PULL_TIMEOUT = 900

Row = tuple[str, str, Mapping[str, str]]
"""Image, status and labels of a container as it is listed."""


class CommandLine:
    """A runtime's program. ``lock`` is a descriptor that its processes inherit."""

    program: ClassVar[tuple[str, ...]]
    daemon: ClassVar[tuple[str, str]]
    """Name of the daemon, and of its service."""
    patience: ClassVar[float]
    """Seconds that the daemon may take to answer after a start."""

    def __init__(self, lock: int | None = None) -> None:
        self._keep = () if lock is None else (lock,)

    def answers(self) -> bool:
        """Whether the daemon answers."""
        raise NotImplementedError

    unready_step = 0

    def ensure(self) -> None:
        """Have the daemon started if it does not answer, and wait for it. Raises NodeError tool.

        ``restart``, because systemd refuses to ``start`` a service that waits for its own restart (5 s for Debian's).
        """
        name, unit = self.daemon
        deadline = time.monotonic() + self.patience
        if not self.answers():
            run(["systemctl", "restart", unit])
        while not self.answers():
            if time.monotonic() > deadline:
                raise NodeError("tool", f"{name} does not answer", todo=f"see `journalctl -u {unit}` on the node")
            time.sleep(0.1)

    def rows(self) -> Iterator[Row]:
        """Every container of ours, running or not."""
        raise NotImplementedError

    def image_user(self, image: str) -> str:
        """Whom an image in the store runs as, in its own words."""
        raise NotImplementedError

    def log_words(self, service: str, slot: str) -> Sequence[str]:
        """The words that have a new container's log written where ``last_lines`` finds it."""
        raise NotImplementedError

    def containers(self) -> tuple[Container, ...]:
        """Every slot that has a container, running or not."""
        return tuple(
            container_of(labels, image, running=status.startswith("Up"), exit_code=exit_code(status))
            for image, status, labels in self.rows()
            if labels.get("du.slot")
        )

    def look(self) -> tuple[tuple[Container, ...], Mapping[tuple[str, str], Copies]]:
        """Each slot is one container, and has no copies."""
        return self.containers(), {}

    def taken_ports(self) -> frozenset[int]:
        """None: who has a port listens on it, or is one of our containers."""
        return frozenset()

    def behind(self, container: Container) -> tuple[str, int] | None:
        """None: a slot's port leads to its container, ready or not."""

    def secrets_in_use(self) -> frozenset[Key]:
        """The secrets that a container of ours has mounted, or would have if it was started again."""
        return frozenset(key for _, _, labels in self.rows() for key in secrets_of(labels))

    def state(self, name: str) -> ContainerState:
        """How a container is."""
        done = self.run("container", "inspect", "--format", "{{json .State}}", name)
        if done.code and "no such" in done.err.lower():
            return ContainerState()
        if done.code:
            raise tool_error(f"{name} could not be looked at", done)
        return state_of(json.loads(done.out))

    def pull(self, service: Service) -> None:
        """Fetch the image. Raises NodeError registry, image or no-room."""
        fetch([*self.program, "pull", "--quiet", service.image], service, self._keep)

    def start_new(self, service: Service, slot: str, port: int) -> None:
        """Make and start the slot's container."""
        self._make(service, slot, lambda given: run_arguments(service, slot, port, given))

    def start_before(self, service: Service, attempt: str, command: Sequence[str]) -> None:
        """Start the command that runs before a release."""
        self._make(service, "before", lambda given: before_arguments(service, attempt, command, given))

    def start(self, container: Container) -> None:
        """Start a stopped container; its network is made anew."""
        self.must("start", name_of(container))

    def restart(self, container: Container) -> None:
        """Stop with grace, then start."""
        grace = str(container.stop_grace)
        self.must("restart", "--time", grace, name_of(container), timeout=container.stop_grace + 110)

    def stop(self, container: Container) -> None:
        """SIGTERM, and SIGKILL after the grace period."""
        grace = str(container.stop_grace)
        self.must("stop", "--time", grace, name_of(container), timeout=container.stop_grace + 60)

    def remove(self, container: Container) -> None:
        """Remove the container, running or not; none there is as good."""
        self.remove_name(name_of(container))

    def remove_name(self, name: str) -> None:
        """Remove by name."""
        done = self.run("rm", "--force", "--volumes", name)
        if done.code and "no such container" not in done.err.lower():
            raise tool_error(f"{name} could not be removed", done)

    def remove_image(self, image: str) -> None:
        """Remove an image that nothing uses."""
        done = self.run("rmi", image)
        if done.code and "no such image" not in done.err.lower():
            raise tool_error(f"image {image} could not be removed", done)

    def run(
        self,
        *arguments: str,
        timeout: float = 60,
        keep: Sequence[int] = (),
        more_env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run the program with these arguments."""
        argv = [*self.program, *arguments]
        return run(argv, timeout=timeout, keep=[*self._keep, *keep], more_env=more_env or {})

    def must(self, *arguments: str, timeout: float = 60) -> str:
        """Its output. Raises NodeError when it fails."""
        done = self.run(*arguments, timeout=timeout)
        if done.code:
            raise tool_error(f"`{self.program[0]} {arguments[0]}` failed", done)
        return done.out

    def _make(self, service: Service, slot: str, arguments: Callable[[Given], Sequence[str]]) -> None:
        """Run a new container with the service's environment, volumes and secrets."""
        words = mounts(service, self._owner(service)) if service.volumes or service.secrets else []
        log = self.log_words(service.name, slot)
        awkward = {name: value for name, value in service.env if is_awkward(value)}
        with SecretFile([(n, v) for n, v in service.env if n not in awkward]) as env_file:
            done = self.run(*arguments(Given(env_file, words, log)), keep=[env_file], more_env=awkward)
        if done.code:
            raise tool_error(f"{service.name} could not be started", done, service.name)

    def _owner(self, service: Service) -> Owner:
        return owner_of(self.image_user(service.image), lambda: self._passwd(service))

    def _passwd(self, service: Service) -> str:
        """The image's /etc/passwd, out of a container that is made and never started; empty when it has none."""
        name = f"du-{service.name}-look"
        found = Path(places.RUN, f"{name}.passwd")
        self.remove_name(name)
        try:
            self.must("create", "--pull", "never", "--network", "none", "--name", name, service.image, "true")
            found.unlink(missing_ok=True)
            copied = self.run("cp", f"{name}:/etc/passwd", str(found))
            return "" if copied.code or not found.is_file() else found.read_text("utf-8", "replace")
        finally:
            self.remove_name(name)
            found.unlink(missing_ok=True)


def fetch(argv: Sequence[str], service: Service, keep: Sequence[int]) -> None:
    """Run the command that pulls the service's image. Raises NodeError registry, image or no-room."""
    # It ends with us: a pull that stalls would hold the lock, and nobody could call the release off.
    done = run(["setpriv", "--pdeathsig", "KILL", *argv], timeout=_PULL_TIMEOUT, keep=keep)
    if done.code:
        raise pull_error(service, done.err)


def exit_code(status: str) -> int:
    """From the words of the list: "Exited (3) 2 seconds ago"."""
    code = status.partition("(")[2].partition(")")[0]
    return int(code) if status.startswith("Exited") and code.isdigit() else 0


def state_of(told: Mapping[str, Any]) -> ContainerState:
    """From what ``container inspect`` tells. nerdctl keeps the pid of one that has ended, and says nothing of OOM."""
    running = told.get("Status") in ("running", "paused")
    ended = told.get("Status") == "exited"
    return ContainerState(
        exists=True,
        running=running,
        pid=int(told.get("Pid") or 0) if running else 0,
        exit_code=int(told.get("ExitCode") or 0) if ended else -1,
        oom=bool(told.get("OOMKilled")),
    )
