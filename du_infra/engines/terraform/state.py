"""What Terraform's state holds, read from ``terraform show -json``. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from du_infra.engines.terraform.plan import is_hook, node_name


@dataclass(frozen=True)
class Tracked:
    """A node that Terraform knows. ``tainted``: its creation did not end well, Terraform would replace it."""

    name: str
    address: str
    tainted: bool = False


def read_state(shown: Mapping[str, Any]) -> dict[str, Tracked]:
    """Node name → what Terraform knows. Only resources with a name of their own (``for_each``) are nodes."""
    root = shown.get("values", {}).get("root_module", {})
    found = (_tracked(resource) for resource in _resources(root) if isinstance(resource.get("index"), str))
    return {tracked.name: tracked for tracked in found if not is_hook(tracked.address)}


def _tracked(resource: Mapping[str, Any]) -> Tracked:
    address = str(resource["address"])
    return Tracked(node_name(address), address, bool(resource.get("tainted")))


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in module.get("resources", ()) if one.get("mode") == "managed")
    for child in module.get("child_modules", ()):
        yield from _resources(child)
