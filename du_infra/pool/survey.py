"""A provider's machines, looked through once for any number of plans. Pure.

A plan for one region of a thousand must not look at the machines of the other 999 again.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from du_infra.errors import Refused
from du_infra.pool.state import Machine, Network


class Survey:
    """What plans ask of the machines that a provider has."""

    def __init__(self, machines: Iterable[Machine]) -> None:
        self._by_region: dict[str, list[Machine]] = defaultdict(list)
        self._by_stem: dict[str, list[Machine]] = defaultdict(list)
        self._holders: dict[str, list[str]] = defaultdict(list)
        for machine in machines:
            stem, _, number = machine.name.rpartition("-")
            self._by_region[machine.region].append(machine)
            if number.isdecimal():
                self._by_stem[stem].append(machine)
            for address in machine.addresses:
                self._holders[address].append(machine.name)
        self._taken = {_number(address) for address in self._holders}

    def ours(self, region: str, owner: str) -> dict[str, Machine]:
        """The machines of ``region`` that carry our mark, by name."""
        return {m.name: m for m in self._by_region.get(region, ()) if m.owner == owner}

    def strangers(self, fleet: str, region: str, owner: str) -> list[Machine]:
        """Machines that have the names of this region's nodes, and not our mark."""
        return [m for m in self._by_stem.get(f"{fleet}-{region}", ()) if m.owner != owner]

    def held(self, address: str, ours: Collection[str]) -> bool:
        """Whether a machine that is not among ``ours`` has this address."""
        return any(name not in ours for name in self._holders.get(address, ()))

    def free(self, network: Network, given: Iterable[str]) -> Iterator[str]:
        """Addresses of the network that no machine has and that are not ``given`` already, the lowest first.

        Raises Refused when none is left.
        """
        taken = self._taken | {_number(address) for address in given if address}
        for number in range(_number(network.first), _number(network.last) + 1):
            if number not in taken and number & 0xFF not in (0, 0xFF):
                yield str(ipaddress.IPv4Address(number))
        raise Refused("no address is left", where=network.cidr, todo="take a region down first")


def _number(address: str) -> int:
    return int(ipaddress.IPv4Address(address))
