"""Which other nodes take requests for a service now: what ``serve`` has found, for those that change the gateway."""

from __future__ import annotations

from collections.abc import Iterable

from du_node import files, places, settings
from du_node.table import Peer


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


def _peers(items: Iterable[dict[str, str]]) -> set[Peer]:
    return {Peer(str(item["name"]), str(item["address"])) for item in items}
