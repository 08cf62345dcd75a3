"""Real nodes need a machine that can run LXD. Where it cannot, those tests are skipped, and in CI that is a failure."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    if item.get_closest_marker("lxd") is None or not (reason := why_no_lxd()):
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"skipped in CI, which must have real nodes: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[None]:
    """The local cloud, taken away at the end if it was not there before; then nothing of it may be left."""
    from du_infra.local import registry
    from du_infra.pool.lxd import LxdProvider
    from du_infra.progress import silent

    provider = LxdProvider()
    stood = provider.standing()["bridge"]
    provider.prepare(silent)
    yield
    if stood:
        return
    provider.connect()
    registry.remove()
    provider.remove(silent)
    assert leftovers() == []


def leftovers() -> list[str]:
    """Bridges, mounts and processes of the local cloud that are still there."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.splitlines()
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    found = [line for line in links if "dubr0" in line]
    return found + [line for line in mounts if "/var/lib/lxd/" in line]
