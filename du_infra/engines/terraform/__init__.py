"""Terraform (or OpenTofu): makes a region's machines from the modules that ship with du-infra.

The names are loaded when they are first asked for: reading a Plan's type must not cost the import of an
engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from du_infra.engines.terraform.binary import Binary, find_binary
    from du_infra.engines.terraform.plan import Change, Plan
    from du_infra.engines.terraform.state import Tracked
    from du_infra.engines.terraform.workspace import Workspace

__all__ = ["Binary", "Change", "Plan", "Tracked", "Workspace", "find_binary"]

_HOMES = {
    "Binary": "binary",
    "Change": "plan",
    "Plan": "plan",
    "Tracked": "state",
    "Workspace": "workspace",
    "find_binary": "binary",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
