"""Before anything changes: is there room for a second copy of a service, and does its image run on this machine?"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from du_node import files
from du_node.cgroups import memory_of
from du_node.errors import NodeError
from du_node.runtime.driver import Runtime
from du_node.runtime.labels import slot_name
from du_node.state import SLOTS, Service

_SPARE_DISK_MB = 200
_SPARE_MEMORY_MB = 32
# What the kernel calls a machine, and what an image's configuration calls it (Go's GOARCH).
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


def preflight(service: Service, tool: Runtime, *, pull: bool) -> None:
    """Refuse a release that this node cannot carry. ``pull`` says that the image has still to be fetched; then the
    controller's word counts for its architecture, and it is looked at again after the pull. Raises NodeError no-room
    or image."""
    need_memory(service, running_mb(service, tool))
    if pull:
        _fits(service, service.architectures)
        need_disk(service, tool.storage)
    else:
        need_architecture(service, tool)


def need_disk(service: Service, folder: str) -> None:
    """Refuse a pull that the disk has no room for: an image takes its size once packed and about twice unpacked."""
    need = _SPARE_DISK_MB + 3 * service.size_mb
    found = os.statvfs(folder if Path(folder).exists() else "/")
    free = found.f_bavail * found.f_frsize >> 20
    if free < need:
        raise NodeError(
            "no-room",
            f"pulling {service.name} needs {need} MB of free disk, and {free} MB are free",
            todo="free some disk on the node, or give it a larger one",
            service=service.name,
        )


def need_memory(service: Service, running: int = 0) -> None:
    """Refuse a second copy that memory has no room for. It needs the service's limit, or, where there is none, as much
    as the copy that is ``running`` takes (MB). Swap, zram included, does not count as room: it is slow, or is memory
    itself."""
    need = service.memory_mb or max(_SPARE_MEMORY_MB, running)
    free = memory_info().get("MemAvailable", need << 10) >> 10
    if free < need:
        raise NodeError(
            "no-room",
            f"starting {service.name} beside the copy that runs needs {need} MB of memory, and {free} MB are free",
            todo="set a smaller `memory` for the service, or use a larger node",
            service=service.name,
        )


def need_architecture(service: Service, tool: Runtime) -> None:
    """Refuse an image in the runtime's store that is made for another kind of machine."""
    image = tool.architecture(service.image)
    _fits(service, (image,) if image else ())


def _fits(service: Service, made_for: tuple[str, ...]) -> None:
    """Refuse it where it is made for others only; where nobody knows, it may be tried."""
    node = machine()
    if made_for and node not in made_for:
        raise NodeError(
            "image",
            f"{service.name} {service.tag} is made for {' and '.join(made_for)}, and this node is {node}",
            todo=f"build the image for {node}, or for both",
            service=service.name,
        )


def machine() -> str:
    """This machine's architecture, in the words of images."""
    found = platform.machine()
    return _ARCHITECTURES.get(found, found)


def running_mb(service: Service, tool: Runtime) -> int:
    """How much memory the largest running copy of the service takes; 0 when none runs."""
    groups = [memory_of(pid) for slot in SLOTS if (pid := tool.state(slot_name(service.name, slot)).pid)]
    return max((group.in_use_mb() for group in groups if group), default=0)


def memory_info() -> dict[str, int]:
    """/proc/meminfo in KiB."""
    lines = (line.split() for line in files.read("/proc/meminfo").splitlines())
    return {fields[0].rstrip(":"): int(fields[1]) for fields in lines if len(fields) > 1}
