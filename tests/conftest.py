"""Real nodes need a machine that can run LXD. Where it cannot, those tests are skipped, and in CI that is a failure."""

from __future__ import annotations

import functools
import os
import shutil

import pytest


@functools.cache
def why_no_lxd() -> str:
    """Why this machine cannot run real nodes, or "" when it can."""
    if os.geteuid() != 0:
        return "real nodes need root"
    missing = [tool for tool in ("lxd", "lxc", "skopeo", "mmdebstrap") if not shutil.which(tool)]
    return f"not installed: {', '.join(missing)}; run `du-infra doctor --fix`" if missing else ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("lxd") is None or not (reason := why_no_lxd()):
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"skipped in CI, which must have real nodes: {reason}", pytrace=False)
    pytest.skip(reason)
