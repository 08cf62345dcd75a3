"""``du-node regions``: takes which regions to watch, tells what was seen of them and what this node had to do.

Asked every few seconds, so it looks at nothing that takes time: neither the runtime nor the gateway.
"""

from __future__ import annotations

from typing import Any

from du_node import counted, files, outlook, places
from du_node.load import load


def outlook_told(order: str) -> dict[str, Any]:
    """{"node", "region", "draining", "regions", "load", "requests": {"id", "count"}}; see docs/du-node.md.

    Raises ValueError for an order that is none.
    """
    outlook.take(order)
    wanted = files.read_json(places.WANTED)
    count = counted.counted(files.read_json(places.COUNTED))
    outlook.keep(places.COUNTED, count)
    return {
        "node": wanted.get("node", ""),
        "region": wanted.get("region", ""),
        "draining": bool(files.stamp(places.DRAINED)),
        "regions": outlook.seen(files.read_json),
        "load": load(),
        "requests": {"id": count["id"], "count": count["count"]},
    }
