"""The local registry: whoever asks first starts it, and those who ask at the same time use it too."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from du_infra.local import registry
from du_infra.pool.lxd.site import Site

pytestmark = pytest.mark.skipif(shutil.which("docker-registry") is None, reason="docker-registry is not installed")

# Nobody's registry but this test's: every address of 127.0.0.0/8 is this machine.
SITE = Site(network=IPv4Network("127.77.0.0/16"), registry_port=5077)
ENSURE = """
from ipaddress import IPv4Network
from du_infra.local import registry
from du_infra.pool.lxd.site import Site
from du_infra.progress import silent
registry.ensure(silent, Site(network=IPv4Network("127.77.0.0/16"), registry_port=5077))
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DU_INFRA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "run"))
    yield
    registry.remove(SITE)


def test_regions_that_come_up_at_once_start_one_registry() -> None:
    starters = [subprocess.Popen([sys.executable, "-c", ENSURE], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    words = [starter.communicate(timeout=60)[1] for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0, 0], words
    assert registry.answers(SITE)
    assert registry.remove(SITE) is True
    assert not registry.answers(SITE)
