"""Containers and images, by Docker's own command line.

Docker has no namespaces: others may run containers beside ours. Ours carry our labels, and only what carries them is
listed. Images carry none, so those that were pulled for a service are noted in a file.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence

from du_node.runtime import pulled
from du_node.runtime.cli import CommandLine, Row
from du_node.runtime.labels import LABELS
from du_node.state import Service

# Docker's own list of labels cannot be read back: it divides them by commas, which ours hold as well.
_ROW = "\t".join(["{{json .Image}}", "{{json .Status}}", *(f'{{{{json (.Label "{label}")}}}}' for label in LABELS)])
_SOCKET = "/run/docker.sock"


class Docker(CommandLine):
    """docker and dockerd."""

    kind = "docker"
    program = ("docker",)
    daemon = ("dockerd", "docker")
    patience = 30.0
    programs: tuple[str, ...] = ("dockerd", "containerd")
    storage = "/var/lib/docker"

    def answers(self) -> bool:
        """Whether dockerd itself answers (Engine API, GET /_ping): systemd holds its socket, so that a connection alone
        proves nothing."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(2.0)
            try:
                link.connect(_SOCKET)
                link.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in link.recv(64)
            except OSError:
                return False

    def rows(self) -> Iterator[Row]:
        """Every container that carries our label."""
        out = self.must("ps", "--all", "--no-trunc", "--filter", f"label={LABELS[0]}", "--format", _ROW)
        for line in out.splitlines():
            image, status, *values = (json.loads(cell) for cell in line.split("\t"))
            yield image, status, {label: value for label, value in zip(LABELS, values, strict=True) if value}

    def images(self) -> frozenset[str]:
        """The references of all images that were pulled for a service."""
        out = self.must("image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}")
        return frozenset(out.split()) & pulled.noted()

    def pull(self, service: Service) -> None:
        """Fetch the image."""
        pulled.note(service.image)
        super().pull(service)

    def remove_image(self, image: str) -> None:
        """Remove an image that nothing uses."""
        super().remove_image(image)
        pulled.forget(image)

    def architecture(self, image: str) -> str:
        """What kind of machine an image in the store is made for."""
        return self.must("image", "inspect", "--format", "{{.Architecture}}", image).strip()

    def image_user(self, image: str) -> str:
        """Whom an image in the store runs as."""
        return self.must("image", "inspect", "--format", "{{.Config.User}}", image).strip()

    def log_words(self, service: str, slot: str) -> Sequence[str]:
        """Docker's usual log, which it cuts itself."""
        return "--log-driver", "json-file", "--log-opt", "max-size=10m", "--log-opt", "max-file=2"

    def last_lines(self, service: str, slot: str, count: int = 20) -> str:
        """The end of the log. Docker gives both outputs apart: their times bring them together again."""
        done = self.run("logs", "--timestamps", "--tail", str(count), f"du-{service}-{slot}")
        if done.code:
            return ""
        lines = sorted([*done.out.splitlines(), *done.err.splitlines()])
        return "\n".join(line.partition(" ")[2] for line in lines[-count:])
