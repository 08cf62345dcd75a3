"""Whether a machine of a size can be had. Pure: no I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

from du_infra.errors import SpecError
from du_infra.spec import Size

_GIB = 1024


@dataclass(frozen=True)
class Room:
    """The largest machine that a provider can make: CPUs, and memory in MB."""

    cpus: int
    memory_mb: int


def check_size(region: str, size: Size, room: Room | None) -> None:
    """Raises SpecError for machines that are larger than ``room``; None where the provider itself says so in time.

    A machine of "8 GiB" has a little less: its last GiB counts as whole.
    """
    if room is None:
        return
    gib = max(1, math.ceil(room.memory_mb / _GIB))
    if size.cpus <= room.cpus and size.memory_mb <= gib * _GIB:
        return
    raise SpecError(
        f"{size} is more than there is: {room.cpus} CPU(s) and {gib} GiB",
        where=f"regions.{region}.pool.size",
        todo=f"{min(size.cpus, room.cpus)}c{min(size.memory_mb // _GIB, gib)}g is the most of it that can be had",
    )
