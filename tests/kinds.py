"""On which runtimes and gateways a test runs: on few of them with the other tests, on all with DU_FAULTS=all."""

from __future__ import annotations

import os

import pytest

from tests.k3s.wanted import WANTED

ALL = os.environ.get("DU_FAULTS") == "all"

KINDS = (("containerd", "nginx"), ("containerd", "envoy"), ("docker", "nginx"))
"""Runtime and gateway. What Docker does with Envoy follows from the other three: neither knows of the other."""


def on(*, envoy: bool = False, clusters: bool = False) -> pytest.MarkDecorator:
    """For tests of a file's ``node``, which makes what it is asked for. With ``envoy`` that is tried in every run."""
    few = KINDS if ALL else KINDS[: 2 if envoy else 1]
    more = [("k3s", "nginx")] if clusters and WANTED else []
    return pytest.mark.parametrize("node", [*few, *more], indirect=True, ids="-".join)
