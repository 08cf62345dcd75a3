"""How often the release of a service was started again, since it was made or the node booted."""

from __future__ import annotations

import json

from du_node import files, places
from du_node.state import Container


def count_restart(container: Container) -> None:
    """Add one to the restarts of the service's release. The start after a boot, when nothing is noted, is none."""
    counts = files.read_json(places.RESTARTS)
    note_restarts(container.service, int(counts.get(container.service, -1)) + 1)


def note_restarts(service: str, count: int) -> None:
    """Set the number."""
    files.write(places.RESTARTS, json.dumps({**files.read_json(places.RESTARTS), service: count}))
