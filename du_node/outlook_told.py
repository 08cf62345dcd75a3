"""``du-node regions``: takes which regions to watch, tells what was seen of them and what this node had to do.

Asked all the time, so it looks at nothing that takes long: neither the runtime nor the gateway. Who asks may wait for
news: then a region that falls is told of at once, and nobody asks more often than he must.
"""

from __future__ import annotations

import time
from typing import Any

from du_node import counted, files, outlook, places
from du_node.load import load

_GLANCE = 0.1


def outlook_told(order: str) -> dict[str, Any]:
    """{"node", "region", "draining", "regions", "load", "requests": {"id", "count"}, "waited_s"}: docs/du-node.md.

    Raises ValueError for an order that is none.
    """
    waited = _wait_for_news(outlook.take(order))
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
        "waited_s": round(waited, 2),
    }


def _wait_for_news(seconds: float) -> float:
    """Until a region is seen in another way than now, ``seconds`` at most; how long it was."""
    began = time.monotonic()
    before, stamp = _words(), files.stamp(places.REGIONS_SEEN)
    while time.monotonic() - began < seconds:
        time.sleep(_GLANCE)
        now = files.stamp(places.REGIONS_SEEN)
        if now != stamp and _words() != before:
            break
        stamp = now
    return time.monotonic() - began


def _words() -> list[tuple[Any, ...]]:
    return sorted((row["name"], str(row["said"]), row["why"]) for row in outlook.seen(files.read_json))
