"""What is known about machines: plain data, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

NodeState: TypeAlias = Literal["", "leaving", "replaced", "returning"]


@dataclass(frozen=True)
class Node:
    """A machine that a region should have.

    ``size`` is CPUs and memory in GiB ("1c1g"), ``address`` its private IPv4 address. ``joined`` is true once
    it has answered over SSH: from then on its name is spent. ``state``: a node that is "leaving" is on its way out,
    however far that has come; a "replaced" one serves until another stands in for it, and then leaves; a
    "returning" one was taken out of service by du-infra for a while, and is to get requests again.
    """

    name: str
    size: str
    address: str
    role: str = "worker"
    joined: bool = False
    state: NodeState = ""

    @property
    def staying(self) -> bool:
        """Whether the region counts on it."""
        return self.state in ("", "returning")


@dataclass(frozen=True)
class Machine:
    """A machine that the provider has, whoever made it.

    ``status`` is the provider's word in lower case ("running", "stopped"). ``addresses`` holds every IPv4
    address that the machine is configured for, the region's VIP included. ``owner``, ``fleet`` and ``region``
    are empty when du-infra did not make it.
    """

    name: str
    status: str
    addresses: tuple[str, ...] = ()
    owner: str = ""
    fleet: str = ""
    region: str = ""


@dataclass(frozen=True)
class Network:
    """The network that a region's nodes and VIP live in.

    ``first`` and ``last`` bound the addresses du-infra may hand out; ``admin`` names the networks that may
    reach SSH without being asked for in fleet.yaml (the local host, for the local cloud).
    """

    cidr: str
    gateway: str
    first: str
    last: str
    admin: tuple[str, ...] = field(default=())

    @property
    def prefix(self) -> int:
        """The prefix length of ``cidr``."""
        return int(self.cidr.partition("/")[2])


@dataclass(frozen=True)
class Registry:
    """A registry that nodes must be told about. ``host`` is its name in image references, seen from a node;
    ``address`` is where this machine reaches it ("198.18.0.1:5000").
    """

    host: str
    address: str
    plain_http: bool = True

    @property
    def url(self) -> str:
        """Where a node reaches it."""
        return f"{'http' if self.plain_http else 'https'}://{self.host}"


@dataclass(frozen=True)
class NodeView:
    """A node as it is seen when some have to leave.

    ``answers``: du-node answered. ``ready``: it serves all it should. ``front``: it holds the region's address.
    ``drained``: it was asked to take no new requests. ``server``: it is a server of the region's cluster.
    """

    name: str
    answers: bool = True
    ready: bool = True
    front: bool = False
    drained: bool = False
    server: bool = False

    @property
    def takes_requests(self) -> bool:
        """Whether requests should come here."""
        return self.answers and self.ready and not self.drained
