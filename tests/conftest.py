"""Real nodes need a machine that can run LXD. Where it cannot, those tests are skipped, and in CI that is a failure."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.lacking import without
from tests.parallel import (
    pytest_runtest_protocol,
    pytest_terminal_summary,
    pytest_xdist_auto_num_workers,
    pytest_xdist_make_scheduler,
)

__all__ = [
    "pytest_runtest_protocol",
    "pytest_terminal_summary",
    "pytest_xdist_auto_num_workers",
    "pytest_xdist_make_scheduler",
]

# No test may rely on the time that a busy machine takes: an example that takes long is no failure.
settings.register_profile("du", deadline=None)
settings.load_profile("du")

# A shell that runs us in the background has us ignore Ctrl-C, and whatever we start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_TOOLS = ("lxd", "lxc", "lxcfs", "skopeo", "umoci", "mmdebstrap", "docker-registry")


@functools.cache
def why_no_lxd() -> str:
    """Why this machine cannot run real nodes, or "" when it can."""
    if os.geteuid() != 0:
        return "real nodes need root"
    missing = [tool for tool in _TOOLS if not shutil.which(tool)]
    return f"not installed: {', '.join(missing)}; run `du-infra doctor --fix`" if missing else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test on real nodes has the local cloud under it."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("lxd"):
            item.fixturenames.insert(0, "local_cloud")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("lxd"):
        without(why_no_lxd())


@pytest.fixture(scope="session")
def local_cloud(request: pytest.FixtureRequest) -> None:
    """The local cloud: each worker sees that it stands, and only one at a time makes what is missing."""
    from du_infra.pool.lxd import LxdProvider
    from du_infra.progress import silent

    provider = LxdProvider()
    if not provider.standing()["bridge"]:
        _note(request.config)
    provider.prepare(silent)


_MADE = pytest.StashKey[bool]()


def _note(config: pytest.Config) -> None:
    """Tell the end of the run that the local cloud was made by it."""
    config.stash[_MADE] = True
    if hasattr(config, "workeroutput"):
        config.workeroutput["made_local_cloud"] = True


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended."""
    if getattr(node, "workeroutput", {}).get("made_local_cloud"):
        _note(node.config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nobody is at work any more: the local cloud goes if this run made it, and then nothing of it may be left."""
    if hasattr(session.config, "workerinput") or _MADE not in session.config.stash:
        return
    from du_infra.errors import DuError
    from du_infra.local import registry
    from du_infra.pool.lxd import LxdProvider
    from du_infra.progress import silent

    wrong = ""
    try:
        provider = LxdProvider()
        provider.connect()
        registry.remove()
        provider.remove(silent)
    except DuError as error:  # the summary of the tests must still be shown
        wrong = f"\nFAILED: the local cloud cannot be taken away: {error} {error.detail}"
    if left := leftovers():
        wrong += f"\nFAILED: of the local cloud there is left: {left}"
    if wrong:
        session.config.get_terminal_writer().line(wrong)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def leftovers() -> list[str]:
    """Bridges, mounts and processes of the local cloud that are still there."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.splitlines()
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    found = [line for line in links if "dubr0" in line]
    return found + [line for line in mounts if "/var/lib/lxd/" in line]
