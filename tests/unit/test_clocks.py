"""A clock that is set must harm nothing, and in an LXD container it cannot be set without setting the host's.

So it is shown here that only the monotonic clock decides: the wall clock is read where a moment is written down for
people, or compared with moments that others wrote, and each of those places has a test of its own with a clock that
jumps (test_observation, test_access_log, test_leases).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]

_MAY_READ_IT = {
    "du_node/observation/watch.py": "finds the old copy's lines of the access log; test_observation sets the clock",
    "du_node/gateway/envoy.py": "which lines of Envoy's journal an error shows",
    "du_node/status.py": "since when a peer is up or down, for people; for_s is by a clock that cannot be set",
    "du_node/k3s/join.py": "which lines of K3s's journal are of this start",
    "du_node/k3s/state.py": "K3s's journal, for people; files that changed since it started, by their own times",
    "du_node/k3s/upgrade.py": "whether K3s started after its program came; else it starts again",
    "du_node/k3s/move.py": "how long ago a move to etcd was cut off; at worst it is undone",
    "du_node/k3s/reset.py": "which lines of K3s's journal are of a reset, and how old it is; at worst it is done again",
    "du_node/examine.py": "the node's time, which region doctor compares with others",
    "du_node/files.py": "since when somebody is at work, for people",
    "du_infra/control/release/past.py": "for how long somebody has been at work, for people",
    "du_infra/control/release/rows.py": "when a release began, for people",
    "du_infra/control/cluster/backup.py": "when a backup was made and another is due; at worst there is one more",
    "du_infra/control/cluster/observe.py": "how old a backup is; at worst another is made",
    "du_infra/control/examine.py": "this machine's time, which region doctor compares with the nodes'",
    "du_infra/cli/region/restore.py": "how old a backup is, for people",
    "du_infra/cli/control/run.py": "when something was decided, for people",
    "du_infra/cli/release_view.py": "for how long somebody has been at work, for people",
    "du_infra/pool/lxd/build.py": "when an image was made, for LXD",
    "du_infra/store/sql.py": "the store's clock where the store is a file; test_leases, test_postgres have wrong ones",
    "du_infra/store/leases.py": "for how long somebody has been at work, for people",
    "du_infra/seeing/board.py": "when something was decided or shown, for people; ages are by the other clock",
    "du_infra/notify/hook.py": "when a message was sent, for receivers, who refuse old ones",
    "du_infra/notify/sender.py": "when something happened, for people",
    "du_infra/store/rounds.py": "when a round began, for people",
    "du_infra/store/clusters.py": "when a cluster was begun, for people",
    "du_infra/store/rollouts.py": "when a release ended, for people",
    "du_infra/store/database.py": "when something happened, for people",
}
_WALL = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"), ("time", "gmtime")}


def wall_clocks(tree: ast.AST) -> Iterator[str]:
    """Calls that read the wall clock."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if (name, node.func.attr) in _WALL and not (node.func.attr == "gmtime" and node.args):
                yield f"{name}.{node.func.attr}"


def readers(package: str) -> set[str]:
    """The files of a package that read the wall clock."""
    files = sorted((_ROOT / package).rglob("*.py"))
    assert files
    return {str(f.relative_to(_ROOT)) for f in files if any(wall_clocks(ast.parse(f.read_text(encoding="utf-8"))))}


@pytest.mark.parametrize("package", ["du_node", "du_infra"])
def test_nothing_is_decided_by_a_clock_that_can_be_set(package: str) -> None:
    assert readers(package) <= _MAY_READ_IT.keys()


def test_what_may_read_the_wall_clock_does_and_is_no_leftover() -> None:
    assert readers("du_node") | readers("du_infra") == _MAY_READ_IT.keys()


@pytest.mark.parametrize("text", ["time.time()", "datetime.datetime.now()", "x.time.time_ns()"])
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    assert list(wall_clocks(ast.parse(text)))


@pytest.mark.parametrize("text", ["time.monotonic()", "time.gmtime(since)", "datetime.fromtimestamp(x)"])
def test_the_search_leaves_alone_what_reads_no_clock(text: str) -> None:
    assert not list(wall_clocks(ast.parse(text)))
