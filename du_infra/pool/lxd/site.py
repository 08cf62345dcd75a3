"""The names and addresses that the local cloud takes on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network

MARK = "user.du-infra"
"""The configuration key that says a network, a pool or an instance is ours."""


@dataclass(frozen=True)
class Site:
    """Everything the local cloud is called.

    198.18.0.0/15 is set aside for tests between devices (RFC 2544), so it stands in nobody's LAN.
    ``dhcp`` is kept for machines without an address of their own; nodes get theirs below it.
    """

    bridge: str = "dubr0"
    network: IPv4Network = field(default_factory=lambda: IPv4Network("198.18.0.0/16"))
    dhcp: tuple[str, str] = ("198.18.250.0", "198.18.250.255")
    first: str = "198.18.1.0"
    last: str = "198.18.249.255"
    pool: str = "du-infra"
    profile: str = "du-infra"
    pool_size: str = "20GiB"
    domain: str = "du"
    registry_name: str = "registry.local"
    registry_port: int = 5000

    @property
    def gateway(self) -> str:
        """This machine's own address on the bridge."""
        return str(self.network[1])

    @property
    def registry(self) -> str:
        """Where the registry listens, seen from this machine: "198.18.0.1:5000"."""
        return f"{self.gateway}:{self.registry_port}"


HERE = Site()
