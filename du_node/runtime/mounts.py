"""What a service's container sees of the node: its volumes, and a file for each of its secrets."""

from __future__ import annotations

import os
from pathlib import Path

from du_node import places, secrets
from du_node.runtime.owner import Owner
from du_node.state import Service

SECRETS_INSIDE = "/run/secrets"


def mounts(service: Service, owner: Owner) -> list[str]:
    """The words that mount everything, for nerdctl and docker alike; what they name is there afterwards.

    Raises NodeError secret when a value is not on this node.
    """
    words = []
    # by folder, so that what lies inside another comes after it
    for name, folder in sorted(service.volumes, key=lambda volume: volume[1]):
        words += _bind(volume(service.name, name, owner), folder)
    for name, fingerprint in service.secrets:
        source = secrets.for_owner((service.name, name, fingerprint), *owner)
        words += _bind(source, f"{SECRETS_INSIDE}/{name}", ",readonly")
    return words


def volume(service: str, name: str, owner: Owner) -> Path:
    """The volume's folder; a new one belongs to ``owner``, one that is there keeps whom it belongs to."""
    folder = Path(places.VOLUMES, service, name)
    if not folder.exists():
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        making = folder.with_name(f".{name}.making")
        making.mkdir(exist_ok=True)
        making.chmod(0o755)
        os.chown(making, *owner)
        making.rename(folder)
    return folder


def _bind(source: Path, target: str, more: str = "") -> list[str]:
    return ["--mount", f"type=bind,source={source},target={target}{more}"]
