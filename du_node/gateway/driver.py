"""What du-node asks of a gateway. The same tests run against every one."""

from __future__ import annotations

from typing import Protocol

from du_node.state import Container, Gateway
from du_node.table import Table


class Driver(Protocol):
    """A gateway on this node: routes by a table, and answers for the table by which it works.

    On 127.0.0.1:19080 ``GET /du`` answers with the live table's digest (see du_node.table), and with a header
    ``Du-<service>`` for each service. A driver decides nothing.
    """

    kind: str
    program: str
    """The process's name, as /proc tells it."""

    def observe(self) -> Gateway:
        """The gateway as it is: the live routes, or the stored ones while it is down."""

    def start(self) -> None:
        """Start it by its service. Raises NodeError gateway with its own words."""

    def set_table(self, table: Table) -> str:
        """Make it work by ``table`` and prove it; the digest. Raises NodeError gateway; the old table stays then."""

    def connections(self, port: int) -> int:
        """How many connections are with the slot at ``port``, or may still come to it by an earlier table.

        What the gateway keeps open without using it does not count for longer than a second.
        """

    def version(self) -> str:
        """For example 1.31.3."""


def connections(entrance: Driver, container: Container) -> int:
    """How many are with a slot, by whichever of its ports."""
    return sum(entrance.connections(port) for port in container.ports)
