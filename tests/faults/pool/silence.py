"""A machine that boots and never answers: this machine's packets to its SSH port are dropped from before it is made.

A name and an address are in the store before Terraform is told of them, so nothing can be there too early.
"""

from __future__ import annotations

import secrets
import subprocess
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from du_infra.control.context import RegionContext
from du_infra.pool.state import Node
from tests.faults.pool.agree import context_of
from tests.region.conftest import Bed


class Silence:
    """Takes the voice of the next node of a region that is none of ``known``; of one alone.

    Another machine may get its address, when it is gone: that one can be heard.
    """

    def __init__(self, bed: Bed, context: RegionContext, known: Collection[str]) -> None:
        self._bed = bed
        self._context = context
        self._known = {*known}
        self._over = threading.Event()
        self._table = f"du_silence_{secrets.token_hex(3)}"
        self._thread = threading.Thread(target=self._watch)
        self.node: Node | None = None
        """Whom it was, once there is one."""

    def start(self) -> None:
        _nft(f"add table inet {self._table}")
        _nft(f"add chain inet {self._table} out {{ type filter hook output priority 0; }}")
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        _nft(f"delete table inet {self._table}")

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            fresh = [node for node in self._context.record.nodes if node.name not in self._known]
            if fresh:
                _nft(f"add rule inet {self._table} out ip daddr {fresh[0].address} tcp dport 22 drop")
                self.node = fresh[0]
                self._await_its_end(fresh[0].name)
                return

    def _await_its_end(self, name: str) -> None:
        there = False
        while not self._over.wait(0.2):
            before, there = there, name in self._bed.instances()
            if before and not there:
                _nft(f"flush chain inet {self._table} out")
                return


@contextmanager
def silenced(bed: Bed) -> Iterator[Silence]:
    """For as long as the block lasts, the next new node of the region never answers."""
    context = context_of(bed)
    made = Silence(bed, context, [node.name for node in context.record.nodes])
    made.start()
    try:
        yield made
    finally:
        made.end()


def _nft(command: str) -> None:
    subprocess.run(["nft", command], check=True, capture_output=True, timeout=20)
