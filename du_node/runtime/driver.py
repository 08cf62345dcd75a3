"""What du-node asks of a container runtime. The same tests run against every one."""

from __future__ import annotations

from typing import Protocol

from du_node.state import Container, Service


class Runtime(Protocol):
    """Containers and images of this node. A driver decides nothing, and never touches what is not ours."""

    kind: str
    programs: tuple[str, ...]
    """Names of its processes, as /proc tells them."""

    def ensure(self, patience: float = 15.0) -> None:
        """Have the runtime started if it does not answer. Raises NodeError tool."""

    def containers(self) -> tuple[Container, ...]:
        """Every slot that has a container, running or not."""

    def images(self) -> frozenset[str]:
        """The references of all images."""

    def pull(self, service: Service) -> None:
        """Fetch the image. Raises NodeError registry, image or no-room."""

    def start_new(self, service: Service, slot: str, port: int) -> None:
        """Make and start the slot's container, published on 127.0.0.1:``port``."""

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
