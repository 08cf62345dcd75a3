"""Real regions: each test fleet has a name of its own and is gone afterwards, whatever happened to it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import du_infra
from du_infra.control.observe import http_get
from du_infra.fleet import Region

HELLO = "registry.local:5000/hello"
DU = [sys.executable, "-c", "from du_infra.cli.main import main; main()"]


@dataclass
class Bed:
    """A fleet file in a folder of its own, with one region ``home`` and, unless said otherwise, hello v1."""

    folder: Path
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(3)}")

    @property
    def file(self) -> Path:
        return self.folder / "fleet.yaml"

    def write(self, *, nodes: int = 1, tag: str = "v1", image: str = HELLO, more: str = "") -> None:
        """Write fleet.yaml anew; ``more`` is added to the service. Releases are watched for a second only."""
        more += "" if "release:" in more else ", release: {observe: 1s}"
        service = f"{{image: {image}, tag: {tag}, port: 8080{more}}}"
        home = f"{{provider: lxd, pool: {{nodes: {nodes}}}}}"
        self.file.write_text(f"fleet: {self.name}\nregions:\n  home: {home}\nservices:\n  hello: {service}\n")

    def write_text(self, text: str) -> None:
        self.file.write_text(text)

    @property
    def region(self) -> Region:
        return du_infra.load(self.file).region("home")

    def run(self, *verbs: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`du-infra VERBS --fleet …` as a user runs it."""
        command = [*DU, *verbs, "--fleet", str(self.file)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def start(self, *verbs: str) -> subprocess.Popen[str]:
        """The same, left running; its progress comes line by line on stderr."""
        command = [*DU, *verbs, "--fleet", str(self.file)]
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def instances(self) -> list[str]:
        """Every LXD instance whose name starts like this fleet's."""
        listed = json.loads(lxc("list", "--format", "json"))
        return [one["name"] for one in listed if one["name"].startswith(f"{self.name}-")]

    def await_serving(self, seconds: float = 30) -> None:
        """Every node comes to take requests; what asks it may see that a moment after it was so."""
        deadline = time.monotonic() + seconds
        while not all(node.ready and not node.draining and not node.state for node in self.region.nodes()):
            assert time.monotonic() < deadline, self.region.nodes()
            time.sleep(0.5)

    def get(self, path: str = "/", **options: str) -> tuple[int, str]:
        """Status and text of a request to the VIP."""
        status, body = http_get(self.region.status().vip, path, timeout=5, **options)
        return status, body.decode()


def lxc(*arguments: str) -> str:
    """Run lxc and return what it says."""
    done = subprocess.run(["lxc", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def push(*arguments: str) -> None:
    """`lxc file push`, once more where LXD itself ends the connection to the process that writes."""
    for last in (False, True):
        try:
            lxc("file", "push", "-q", *arguments)
        except AssertionError as error:
            if last or "forkfile.sock" not in str(error):
                raise
        else:
            return


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL the controller alone; its children must look after themselves."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def make_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Bed]]:
    """Makes test fleets and takes them away at the end of the module."""
    beds: list[Bed] = []

    def make() -> Bed:
        beds.append(Bed(tmp_path_factory.mktemp("fleet")))
        beds[-1].write()
        return beds[-1]

    yield make
    for bed in beds:
        bed.write()
        bed.region.down()
        assert bed.instances() == []
