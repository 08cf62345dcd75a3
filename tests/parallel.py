"""Several workers (`pytest -n auto --dist loadscope`, as `make test` does): who runs what, and who must be alone.

A file is run by one worker from top to bottom, because its node or region is made once. A file whose node is made for
each gateway or runtime is one piece for each. Real nodes mostly wait, so there is one worker more than there are cores;
the first begins with what needs no node, the others with real nodes. ``@pytest.mark.alone`` keeps the tests of all
workers from being at work beside one that disturbs the whole local cloud or measures time. A plain `pytest PATH` has
none of it.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
LOCKS = Path(tempfile.gettempdir(), f"du-tests-{os.getuid()}")
_KIND = re.compile(r"\[((?:containerd|docker|k3s)-(?:nginx|envoy)|nginx|envoy|containerd|docker)\b")
_SHOWN = 25
_FIRST = tuple(
    f"tests/region/test_{name}.py"
    for name in ("rounds", "pool", "healing", "autoscale", "membership", "hooks", "release")
)
"""Files of few tests that take minutes (the summary at the end says which): begun late, they would be waited for."""


def piece(nodeid: str) -> str:
    """What one worker runs in order: the file of a test, and the gateway or runtime that its node is made for."""
    file, _, test = nodeid.partition("::")
    kind = _KIND.search(test) if needs_nodes(file) else None
    return f"{file} {kind[1]}" if kind else file


@functools.cache
def needs_nodes(file: str) -> bool:
    """Whether tests of ``file``, a path below the root, run on real nodes."""
    return "pytest.mark.lxd" in (ROOT / file).read_text(encoding="utf-8")


class Lanes(LoadScopeScheduling):
    """The longest pieces come first, then those with most tests; one worker begins with those without nodes, the others
    with those with."""

    _beside: Any = None
    """The worker that begins without nodes."""

    def schedule(self) -> None:
        self._beside = self._beside or next(iter(self.nodes))
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return piece(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if suiting := self._suiting(node):
            self.workqueue.move_to_end(suiting[0], last=False)  # it is taken from the front
        super()._assign_work_unit(node)

    def _suiting(self, node: Any) -> list[str]:
        with_nodes = node is not self._beside
        suiting = [scope for scope in self.workqueue if needs_nodes(scope.partition(" ")[0]) == with_nodes]
        return sorted(suiting, key=_place)


def _place(scope: str) -> int:
    file = scope.partition(" ")[0]
    return _FIRST.index(file) if file in _FIRST else len(_FIRST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes | None:
    return Lanes(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Before a test's timeout begins to count, wait until it may run."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Among tests that may run beside each other, or alone. Who waits to be alone lets nobody in before it."""
    with LOCKS.with_suffix(".gate").open("w") as gate, LOCKS.with_suffix(".room").open("w") as room:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Where the time went, by piece; beside `--durations`."""
    if terminalreporter.config.getoption("durations") is None:
        return
    seconds: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[piece(report.nodeid)] += report.duration
    terminalreporter.section("seconds by file")
    for name in sorted(seconds, key=lambda name: -seconds[name])[:_SHOWN]:
        terminalreporter.write_line(f"{seconds[name]:7.1f} s  {name}")
