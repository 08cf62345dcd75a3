"""Where du-infra keeps what belongs to the machine rather than to a fleet."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """What can be made again: node images, providers, built tools. ``DU_INFRA_CACHE`` moves it."""
    return _folder("DU_INFRA_CACHE", Path.home() / ".cache" / "du-infra")


def data() -> Path:
    """What the local cloud keeps: its registry and its logs. ``DU_INFRA_DATA`` moves it."""
    return _folder("DU_INFRA_DATA", Path("/var/lib/du-infra"))


def run() -> Path:
    """Process ids, locks and sockets; gone after a reboot. ``DU_INFRA_RUN`` moves it."""
    return _folder("DU_INFRA_RUN", Path("/run/du-infra"))


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable) or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
