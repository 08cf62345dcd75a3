"""What must be true of a pool whenever it is at rest: the provider, the store and Terraform know the same nodes."""

from __future__ import annotations

import json
import subprocess
import time

from du_infra.control.context import RegionContext
from tests.region.conftest import Bed
from tests.region.du_node_bed import Load

SHORT = "get=30,post=20,get-fresh=20,post-fresh=15"
"""A load without long connections, whose end a node that leaves would wait for."""

EXIT_CODES = {4, 5, 6, 7, 8}
"""How a command may end that met a provider, a node or another du-infra in trouble (docs/cli.md)."""

_PATIENCE_SECONDS = 300.0


def asking(bed: Bed) -> Load:
    """Clients of the region's address, few enough for a machine with other work: each waits for its answer."""
    return Load(bed.region.status().vip, clients=4, pause=0.05)


def assert_none_lost(asked: Load) -> None:
    """Every request was answered, and there were some."""
    assert asked.failed == {}, f"{asked.ok} were answered, and not {dict(asked.failed)}"
    assert asked.ok > 50


def context_of(bed: Bed) -> RegionContext:
    """The region as du-infra sees it."""
    return RegionContext(bed.region.fleet.spec, "home", bed.folder)


def agreed(bed: Bed) -> list[str]:
    """The nodes' names, by the word of all three, and all of them serve."""
    context = context_of(bed)
    state = json.loads((context.terraform / "terraform.tfstate").read_text())
    machines = [one for one in state["resources"] if one["type"] == "lxd_container"]
    tracked = sorted(instance["index_key"] for one in machines for instance in one["instances"])
    nodes = bed.region.status().nodes
    recorded = sorted(node.name for node in context.record.nodes)
    assert recorded == tracked == sorted(bed.instances())
    assert all(node.joined and not node.state for node in context.record.nodes), context.record
    assert all(node.ready and not node.draining for node in nodes), nodes
    return recorded


def at_rest(bed: Bed) -> list[str]:
    """``agreed``, if not at once then soon: nodes of a busy machine answer late."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return agreed(bed)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def assert_clear(done: subprocess.CompletedProcess[str]) -> None:
    """A command that did not succeed: it ends with a documented exit code, and says what is wrong and what to do."""
    about = f"exit code {done.returncode}\n{done.stderr}"
    assert done.returncode in EXIT_CODES, about
    assert "Traceback" not in done.stderr, about
    assert "unforeseen" not in done.stderr, about
    assert "\nError: " in f"\n{done.stderr}", about
    assert "\nWhat to do: " in done.stderr, about
