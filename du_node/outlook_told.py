"""``du-node regions``: takes which regions to watch, tells what was seen of them and what this node had to do.

Asked all the time, so it looks at nothing that takes long: neither the runtime nor the gateway. Who asks may wait for
news: then a region that falls is told of at once, and nobody asks more often than he must. He says what he was told
last, by its mark, so that what came between two questions is news as well.
"""

from __future__ import annotations

import time
import zlib
from typing import Any

from du_node import counted, files, outlook, places
from du_node.load import load

_GLANCE = 0.1


def outlook_told(order: str) -> dict[str, Any]:
    """{"node", "region", "draining", "regions", "load", "requests": {"id", "count"}, "mark",
    "waited_s"}: docs/du-node.md.

    Raises ValueError for an order that is none.
    """
    waited = _wait_for_news(*outlook.take(order))
    wanted = files.read_json(places.WANTED)
    count = counted.counted(files.read_json(places.COUNTED))
    outlook.keep(places.COUNTED, count)
    seen = outlook.seen(files.read_json)
    return {
        "node": wanted.get("node", ""),
        "region": wanted.get("region", ""),
        "draining": bool(files.stamp(places.DRAINED)),
        "regions": seen,
        "mark": _mark(seen),
        "load": load(),
        "requests": {"id": count["id"], "count": count["count"]},
        "waited_s": round(waited, 2),
    }


def _wait_for_news(seconds: float, knows: str) -> float:
    """Until a region is seen in another way than whoever asks knows of, ``seconds`` at most; how long it was."""
    began, stamp = time.monotonic(), files.stamp(places.REGIONS_SEEN)
    known = knows or _mark(outlook.seen(files.read_json))
    if known != _mark(outlook.seen(files.read_json)):
        return 0.0
    while time.monotonic() - began < seconds:
        time.sleep(_GLANCE)
        now = files.stamp(places.REGIONS_SEEN)
        if now != stamp and _mark(outlook.seen(files.read_json)) != known:
            break
        stamp = now
    return time.monotonic() - began


def _mark(seen: list[dict[str, Any]]) -> str:
    """The same as long as regions are seen in the same way, however long ago."""
    words = sorted((row["name"], str(row["said"]), row["why"]) for row in seen)
    return f"{zlib.crc32(repr(words).encode()):08x}"
