"""Which gateway and which runtime this node has: written once, by the role that put du-node here."""

from __future__ import annotations

import json

from du_node import places

GATEWAY, RUNTIME = "nginx", "containerd"


def gateway() -> str:
    """The kind of gateway, for example "nginx"."""
    return _setting("gateway", GATEWAY)


def runtime() -> str:
    """The kind of runtime, for example "containerd"."""
    return _setting("runtime", RUNTIME)


def _setting(name: str, default: str) -> str:
    try:
        with open(places.SETTINGS, encoding="utf-8") as file:  # noqa: PTH123 - serve has no pathlib in memory
            return str(json.load(file).get(name, default))
    except (OSError, ValueError):
        return default
