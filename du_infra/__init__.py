"""du-infra: deployment units on one small VM, on several, and in many regions.

import du_infra

region = du_infra.load("fleet.yaml").region("home")
region.up()
print(region.status().ready)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from du_infra import errors
from du_infra._version import __version__

if TYPE_CHECKING:
    from du_infra.fleet import Fleet, Region, load

__all__ = ["Fleet", "Region", "__version__", "errors", "load"]

_LATER = ("Fleet", "Region", "load")


def __getattr__(name: str) -> Any:
    """Import the models only when they are used: a program that just imports us should not wait for them."""
    if name in _LATER:
        return getattr(import_module("du_infra.fleet"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
