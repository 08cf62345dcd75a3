"""What du-node asks of a container runtime. The same tests run against every one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from du_node.secrets import Key
from du_node.state import Container, Copies, Service

_NOTICED = 10.0


@dataclass(frozen=True)
class ContainerState:
    """How a container is, by its name. ``pid`` is its first process's, 0 when it does not run.

    ``exit_code`` is that of its last end; -1 when it has not run since the node started.
    ``oom`` is True where the runtime itself says that memory ran out; most do not say.
    """

    exists: bool = False
    running: bool = False
    pid: int = 0
    exit_code: int = -1
    oom: bool = False


class Runtime(Protocol):
    """Containers and images of this node. A driver decides nothing, and never touches what is not ours."""

    kind: str
    programs: tuple[str, ...]
    """Names of its processes, as /proc tells them."""
    storage: str
    """The folder that its images are in."""
    unready_step: int
    """As in state.Observed."""

    def ensure(self) -> None:
        """Have the runtime started if it does not answer. Raises NodeError tool."""

    def containers(self) -> tuple[Container, ...]:
        """Every slot that has a container, running or not."""

    def look(self) -> tuple[tuple[Container, ...], Mapping[tuple[str, str], Copies]]:
        """What ``containers`` says, and by service and slot how the copies are, where a slot may lead to several."""

    def taken_ports(self) -> frozenset[int]:
        """Ports that no new slot of this node can have, although nothing listens there."""

    def secrets_in_use(self) -> frozenset[Key]:
        """The secrets that a container of ours has mounted, or would have if it was started again."""

    def last_lines(self, service: str, slot: str, count: int = 20) -> str:
        """The end of the log of a slot, or of "before"; empty when there is none."""

    def images(self) -> frozenset[str]:
        """The references of all images that are ours."""

    def architecture(self, image: str) -> str:
        """What kind of machine an image in the store is made for ("amd64", "arm64" …); "" when it does not say."""

    def behind(self, container: Container) -> tuple[str, int] | None:
        """Address and port of what is behind a slot's port, where that one lets nobody through to a copy that is not
        ready; else None."""

    def state(self, name: str) -> ContainerState:
        """How the container of that name is, a slot's or another."""

    def pull(self, service: Service) -> None:
        """Fetch the image. Raises NodeError registry, image or no-room."""

    def start_new(self, service: Service, slot: str, port: int) -> None:
        """Make and start the slot's container, published on 127.0.0.1:``port``. Raises NodeError secret when a value is
        not on this node."""

    def start_before(self, service: Service, attempt: str, command: Sequence[str]) -> None:
        """Start ``command`` in the service's image, with all of its settings, as ``before_name(service)``; it is no
        slot and gets no requests. ``attempt`` becomes its label ``du.before``."""

    def start(self, container: Container) -> None:
        """Start a stopped container."""

    def restart(self, container: Container) -> None:
        """Stop with grace, then start."""

    def stop(self, container: Container) -> None:
        """SIGTERM, and SIGKILL after the grace period."""

    def remove(self, container: Container) -> None:
        """Remove the container, running or not; none there is as good."""

    def remove_name(self, name: str) -> None:
        """Remove by name."""

    def remove_image(self, image: str) -> None:
        """Remove an image that nothing uses."""


def state_at_end(tool: Runtime, name: str, pid: int = 0) -> ContainerState:
    """How a container is whose first process has ended: a runtime notices that a moment later, or, just after it was
    killed itself, some seconds later. Some start it again by themselves: then it runs, and not as ``pid``."""
    deadline = time.monotonic() + _NOTICED
    while True:
        tool.ensure()
        state = tool.state(name)
        again = pid and state.pid not in (0, pid) and state.exit_code >= 0
        if not state.running or again or time.monotonic() > deadline:
            return state
        time.sleep(0.05)
