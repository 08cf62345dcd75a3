"""What Terraform means to do: plain data read from ``terraform show -json PLANFILE``. No I/O.

The format is documented as "JSON Output Format" of Terraform (``resource_changes``, ``output_changes``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

Kind: TypeAlias = Literal["create", "update", "delete", "replace", "read", "forget", "no-op"]

# Where the root module has modules/pool-hooks: what is there has a node's name and is no machine.
_HOOKS = "module.hooks."

_REASONS = {
    "replace_because_cannot_update": "cannot be changed in place",
    "replace_because_tainted": "was never finished",
    "replace_because_tainted_by_user": "was marked for replacement",
    "replace_by_request": "was asked for",
    "replace_by_triggers": "something it depends on changes",
    "delete_because_no_resource_config": "is no longer in the configuration",
    "delete_because_each_key": "its name is no longer among the nodes",
    "delete_because_count_index": "its number is no longer in use",
    "delete_because_no_module": "its module is gone",
    "delete_because_wrong_repetition": "the configuration now counts in another way",
}


@dataclass(frozen=True)
class Change:
    """One resource that would change.

    ``address`` is Terraform's own; ``name`` the node's name (the ``for_each`` key) or, for what is no node,
    the resource's name; ``why`` a few words on why it is deleted or replaced, may be empty.
    """

    address: str
    kind: Kind
    name: str
    why: str = ""

    @property
    def destroys(self) -> bool:
        """Whether something that exists is lost."""
        return self.kind in ("delete", "replace")


@dataclass(frozen=True)
class Plan:
    """Every change, in Terraform's order, and whether outputs or hooks change (which alone is worth an apply)."""

    changes: tuple[Change, ...] = ()
    outputs_change: bool = False
    hooks_change: bool = False

    @property
    def empty(self) -> bool:
        """Whether an apply would do nothing at all."""
        return not self.changes and not self.outputs_change and not self.hooks_change


def read_plan(shown: Mapping[str, Any]) -> Plan:
    """The Plan in ``terraform show -json``'s object. Resources that stay as they are are left out."""
    entries = (_change(entry) for entry in shown.get("resource_changes", ()))
    changes = [change for change in entries if change.kind not in ("no-op", "read")]
    outputs = shown.get("output_changes", {}).values()
    return Plan(
        changes=tuple(change for change in changes if not is_hook(change.address)),
        outputs_change=any(output["actions"] != ["no-op"] for output in outputs),
        hooks_change=any(is_hook(change.address) for change in changes),
    )


def is_hook(address: str) -> bool:
    """Whether an address is one of modules/pool-hooks: it calls du-infra, and nothing is lost with it."""
    return address.startswith(_HOOKS)


def node_name(address: str) -> str:
    """The ``for_each`` key at the end of an address, or the resource's name when there is none.

    >>> node_name('module.pool.lxd_container.node["demo-home-1"]')
    'demo-home-1'
    """
    key = re.search(r'\["([^"]*)"\]$', address)
    return key.group(1) if key else address.rpartition(".")[2]


def _change(entry: Mapping[str, Any]) -> Change:
    address = str(entry["address"])
    return Change(address, _kind(entry["change"]["actions"]), node_name(address), _why(entry))


def _kind(actions: list[str]) -> Kind:
    """Two actions are always a replacement, in one order or the other."""
    return "replace" if len(actions) > 1 else cast("Kind", actions[0])


def _why(entry: Mapping[str, Any]) -> str:
    reason = str(entry.get("action_reason") or "")
    words = _REASONS.get(reason, reason.replace("_", " "))
    paths = sorted({str(path[0]) for path in entry["change"].get("replace_paths", ()) if path})
    return f"{', '.join(paths)} {words}" if paths else words
