"""What stands around a record: the zone it lies in, and the servers that answer for it. Plain data, checked."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from du_infra.engines.ssh import Target
from du_infra.errors import SpecError
from du_infra.traffic.check import is_name
from du_infra.traffic.where import split


@dataclass(frozen=True)
class Zone:
    """The zone and the one name in it that leads to regions.

    ``nameservers``: each server's host name in the zone ("ns1") with its address, as the parent zone delegates to it.
    """

    zone: str
    name: str
    nameservers: Mapping[str, str]

    def __post_init__(self) -> None:
        if not is_name(self.zone) or not is_name(self.name):
            raise SpecError("this is no DNS name in lower case", where=f"{self.name} in {self.zone}")
        if self.name != self.zone and not self.name.endswith(f".{self.zone}"):
            raise SpecError(f"the name is not in the zone {self.zone}", where=self.name)
        for host, address in self.nameservers.items():
            if not is_name(f"{host}.{self.zone}") or f"{host}.{self.zone}" == self.name or not _is_address(address):
                raise SpecError(f"no name server can be {host!r} at {address!r}", where=self.zone)
        if not self.nameservers:
            raise SpecError("a zone needs a name server", where=self.zone)

    @property
    def label(self) -> str:
        """The record's name within the zone; "@" for the zone itself."""
        return "@" if self.name == self.zone else self.name.removesuffix(f".{self.zone}")


@dataclass(frozen=True)
class Server:
    """One gdnsd. ``listen``: where it answers, "address" or "address:port"; ``ask``: where we ask it, likewise.

    ``host``: its name in the zone that stays its own ("" for a number); ``public``: where the world finds it ("" for
    where we do). ``folder`` holds what du-infra writes; gdnsd is started with ``-c folder/current``. ``target`` is None
    for this machine.
    """

    name: str
    listen: tuple[str, ...]
    ask: str
    folder: Path = Path("/etc/gdnsd/du-infra")
    run_dir: Path = Path("/run/gdnsd")
    state_dir: Path = Path("/var/lib/gdnsd")
    target: Target | None = None
    host: str = ""
    public: str = ""

    def __post_init__(self) -> None:
        split(self.ask)
        for where in self.listen:
            if not _is_address(split(where)[0]):
                raise SpecError("gdnsd listens on addresses, not on names", where=where)
        for path in (self.folder, self.run_dir, self.state_dir):
            if not path.is_absolute():
                raise SpecError("a folder of gdnsd must be an absolute path", where=str(path))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
