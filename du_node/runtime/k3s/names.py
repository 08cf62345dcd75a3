"""What our objects are called, and the labels by which they are found."""

from __future__ import annotations

import hashlib

OURS = {"app.kubernetes.io/managed-by": "du-infra"}
_SLOTS_OF_NODE = 100
SERVICE, SLOT, NODE, COPIES = "du-infra/service", "du-infra/slot", "du-infra/node", "du-infra/copies"


def copies_key(release: str, config: str) -> str:
    """What tells one release's copies from another's, on every node alike; other settings make another release."""
    return _short(f"{release} {config}")


def copies_name(service: str, key: str) -> str:
    """The Deployment of a release, and the Secret with the values that its copies read."""
    return f"{service}-{key}"


def slot_object(service: str, slot: str, node: str) -> str:
    """The Service that is a slot of a node."""
    return f"{service}-{slot}-{node_label(node)}"


def unready_object(slot_name: str) -> str:
    """The Service by which a slot is reached whether its copies are ready or not."""
    return f"{slot_name}-unready"


def unready_port(port: int) -> int:
    """That Service's port, by the slot's."""
    return port + _SLOTS_OF_NODE


def node_label(node: str) -> str:
    """A node's name may be longer than a label can be."""
    return _short(node)


def own_window(node: str) -> range:
    """The ports that a node takes for its slots, of 20000 to 29999: two that choose at once rarely choose the same. As
    many after them are the slots' other ports."""
    first = 20000 + 2 * _SLOTS_OF_NODE * (int(_short(node), 16) % 50)
    return range(first, first + _SLOTS_OF_NODE)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
