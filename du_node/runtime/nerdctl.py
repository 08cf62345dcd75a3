"""Containers and images, by nerdctl (2.x) on containerd.

Everything of ours lives in containerd's namespace ``du``, so that a container of somebody else is never seen and
never touched. A container writes its log to a file through containerd's shim: nerdctl's own loggers take a process
of 27 MB for each container.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from du_node.runtime.cli import CommandLine, Row
from du_node.runtime.logs import end_of_file, fresh_log, log_file

_ROW = "{{json .Image}}\t{{json .Status}}\t{{json .LabelsMap}}"
_CONTAINERD = "/run/containerd/containerd.sock"


class Nerdctl(CommandLine):
    """nerdctl on containerd."""

    kind = "containerd"
    program = ("nerdctl", "--namespace", "du")
    daemon = ("containerd", "containerd")
    patience = 15.0
    programs: tuple[str, ...] = ("containerd",)
    storage = "/var/lib/containerd"

    def answers(self) -> bool:
        """Whether containerd takes connections."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(1.0)
            return link.connect_ex(_CONTAINERD) == 0

    def rows(self) -> Iterator[Row]:
        """Every container in our namespace."""
        for line in self.must("ps", "--all", "--no-trunc", "--format", _ROW).splitlines():
            image, status, labels = (json.loads(cell) for cell in line.split("\t", 2))
            yield image, status, labels or {}

    def images(self) -> frozenset[str]:
        """The references of all images."""
        return frozenset(self.must("image", "ls", "--format", "{{.Name}}").split())

    def architecture(self, image: str) -> str:
        """What kind of machine an image in the store is made for."""
        return str(self._image(image).get("architecture") or "")

    def image_user(self, image: str) -> str:
        """Whom an image in the store runs as."""
        return str((self._image(image).get("config") or {}).get("User") or "")

    def log_words(self, service: str, slot: str) -> Sequence[str]:
        """A file of the slot's own."""
        return "--log-driver", f"file://{fresh_log(service, slot)}"

    def last_lines(self, service: str, slot: str, count: int = 20) -> str:
        """The end of the slot's log."""
        return end_of_file(log_file(service, slot), count)

    def _image(self, image: str) -> dict[str, Any]:
        """The image's configuration (OCI image-spec, config.md): nerdctl shows it in its native form only when the
        image is named by its digest."""
        (found,) = json.loads(self.must("image", "inspect", "--mode", "native", image))
        return dict(found["ImageConfig"])
