"""Which other nodes take requests for a service now: what ``serve`` has found, and the gateway brought to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from du_node import files, gateway, handover, places, settings
from du_node.gateway.driver import Driver
from du_node.gateway.turn import turn
from du_node.table import Peer, Table, digest_of, from_json, with_peers


def usable(services: Iterable[str]) -> dict[str, tuple[Peer, ...]]:
    """By service, the peers that requests can go to; services without any are left out.

    Where ``serve`` has written nothing (yet), all that the settings name: a gateway passes over those that are dead.
    What the settings do not name any more is no peer, whatever was written.
    """
    known = {Peer(name, address) for name, address in settings.peers()}
    if not known:
        return {}
    written = files.stamp(places.PEERS)
    told = files.read_json(places.PEERS)
    found = {name: _peers(told.get(name, ())) & known if written else known for name in services}
    return {name: tuple(sorted(peers)) for name, peers in found.items() if peers}


def bring() -> bool:
    """Bring gateway and firewall to what ``serve`` has found, and nothing else; whether the gateway was changed.

    That takes no look at the containers, so it is quick; and it may be done while an apply is at work, which may take
    its time. A gateway that does not work by its stored table is left to a whole healing. Raises NodeError gateway,
    tool.
    """
    try:
        with turn():
            return _bring(gateway.chosen())
    finally:
        handover.follow(_leaving())


def _bring(entrance: Driver) -> bool:
    seen = entrance.observe()
    table = stored(entrance.kind)
    found = with_peers(table, usable([item.service for item in table]), shared=bool(settings.peers()))
    changes = bool(seen.live) and seen.live == seen.disk == digest_of(table) != digest_of(found)
    if changes:
        entrance.set_table(found)
    return changes


def _leaving() -> str:
    """Address of the peer that hands the region's address over, as ``serve`` has written it."""
    seen = files.read_json(places.SEEN)
    return next((address for name, address in settings.peers() if seen.get(name, {}).get("hands_over")), "")


def stored(kind: str) -> Table:
    """The table that a gateway of this kind has on disk; empty when it is none of ours."""
    path, head, tail = places.STORED_TABLE[kind]
    first = files.read(path).partition("\n")[0]
    try:
        told: dict[str, Any] = json.loads(first[len(head) : len(first) - len(tail)])
        return tuple(from_json(item) for item in told["table"])
    except (ValueError, KeyError, TypeError):
        return ()


def _peers(items: Iterable[dict[str, str]]) -> set[Peer]:
    return {Peer(str(item["name"]), str(item["address"])) for item in items}
