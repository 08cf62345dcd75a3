"""Has nodes tell what they saw of other regions, and says with it which ones they are to watch."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence

from du_infra.control.context import RegionContext
from du_infra.control.traffic.sightings import NodeWord, word_of
from du_infra.engines import ssh
from du_infra.errors import DuError
from du_infra.parallel import each
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node

OTHERS_SECONDS = 10.0
"""How often nodes are asked that do not speak for their region: only their load and their requests are wanted."""
WAIT_MOST = 2.0
_SECONDS = 3.0
_USAGE = 2
_TRIES = 2


class Speakers:
    """One node speaks for each region: it alone watches others, as long as it answers; then another does."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._others: dict[str, float] = {}
        self._marks: dict[str, str] = {}
        self._lock = threading.Lock()

    def ask(self, context: RegionContext, record: PoolRecord, order: str) -> list[NodeWord]:
        """What the region's speaker tells, and now and then all others; ``order``: what is to be watched, or ""."""
        nodes = self._in_turn(context.name, record)
        found: list[NodeWord] = []
        for node in nodes[:_TRIES]:
            found.append(ask_node(context, node, self._knowing(node, order)))
            if not found[-1].silent:
                with self._lock:
                    self._last[context.name] = node.name
                    self._marks[node.name] = found[-1].mark
                break
        asked = {word.node for word in found}
        others = [node for node in nodes if node.name not in asked]
        if others and self._due(context.name):
            found += each(lambda node: ask_node(context, node, ""), others)
        return found

    def _knowing(self, node: Node, order: str) -> str:
        """The order, with what we were told last: between two questions a region may have fallen."""
        with self._lock:
            mark = self._marks.get(node.name, "")
        return json.dumps({**json.loads(order), "knows": mark}) if order and mark else order

    def _in_turn(self, region: str, record: PoolRecord) -> list[Node]:
        with self._lock:
            last = self._last.get(region, "")
        there = [node for node in record.nodes if node.joined]
        at = next((number for number, node in enumerate(there) if node.name == last), 0)
        return there[at:] + there[:at]

    def _due(self, region: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now < self._others.get(region, 0.0):
                return False
            self._others[region] = now + OTHERS_SECONDS
        return True


def order_of(watched: Sequence[str], addresses: Mapping[str, str], interval: float, wait: float = 0.0) -> str:
    """What a node is told to watch, as ``du-node regions`` takes it; regions without an address are left out.

    ``wait``: how many seconds it may keep us waiting until there is something new to tell.
    """
    named = [{"name": name, "address": addresses[name]} for name in watched if addresses.get(name)]
    return json.dumps({"interval": interval, "regions": named, "wait": min(wait, WAIT_MOST)})


def ask_node(context: RegionContext, node: Node, order: str) -> NodeWord:
    """What one node tells; a node that tells nothing says why not."""
    asked = time.monotonic()
    try:
        done = ssh.run(context.target(node), ["du-node", "regions"], stdin=order, timeout=_SECONDS + WAIT_MOST)
    except DuError as error:
        return NodeWord(node.name, asked, silent=error.what)
    if done.rc == _USAGE and "usage:" in done.stderr:
        return NodeWord(node.name, asked, silent="its du-node is older than this du-infra: `region up` brings another")
    try:
        return word_of(node.name, asked, time.monotonic(), json.loads(done.stdout))
    except (ValueError, KeyError, TypeError):
        said = (done.stderr or done.stdout).strip().splitlines()
        return NodeWord(node.name, asked, silent=f"du-node does not tell: {said[-1][:200] if said else 'nothing'}")
