"""A region whose nodes run the stand-in, by the command line: up for a test, and nothing left of it afterwards."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.k3s import build
from tests.k3s.bed import HELLO
from tests.k3s.release import release
from tests.region.conftest import Bed


class K3sBed(Bed):
    """A fleet whose region runs the stand-in; without ``hello`` it has no services. ``first``: its server's number."""

    first = 1

    def write(
        self, *, nodes: int = 1, hello: bool = False, version: str = "", folder: str = "k3s", **_: object
    ) -> None:
        k3s = f"{{version: {version or build.version()}, from: {folder}}}"
        home = f"{{provider: lxd, runtime: k3s, k3s: {k3s}, pool: {{nodes: {nodes}, boot_timeout: 5m}}}}"
        service = f"hello: {{image: {HELLO}, tag: v1, port: 8080, release: {{observe: 1s}}}}" if hello else ""
        self.file.write_text(f"fleet: {self.name}\nregions:\n  home: {home}\nservices: {{{service}}}\n")

    def node(self, number: int) -> str:
        return f"{self.name}-home-{number}"

    def sh(self, number: int, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = ["lxc", "exec", self.node(number), "-T", "--", "sh", "-c", script]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=120)

    def kubectl(self, words: str, stdin: str = "") -> str:
        done = self.sh(self.first, f"k3s kubectl {words}", stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ready(self) -> dict[str, bool]:
        """Every Node of the cluster, and whether it is Ready."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get nodes -o json"))["items"]
        states = {one["metadata"]["name"]: one["status"].get("conditions", ()) for one in found}
        return {
            name: any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
            for name, conditions in states.items()
        }

    def passwords(self) -> list[str]:
        lines = self.kubectl("get secrets -n kube-system -o name").splitlines()
        return sorted(line.partition("/")[2].split(".")[0] for line in lines if "node-password" in line)

    def must(self, *verbs: str) -> str:
        """A command that must not fail; what it says."""
        done = self.run(*verbs, timeout=900)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def counter(self) -> int:
        """The highest number that a node was ever given."""
        return self.region._context().store.pool("home").counter

    def begun(self) -> str:
        """What tells one cluster from another."""
        return self.kubectl("get namespace kube-system -o jsonpath='{.metadata.uid}'")


AnyBed = TypeVar("AnyBed", bound=K3sBed)


@contextmanager
def standing(bed: AnyBed, *, up: bool = True, **asked: Any) -> Iterator[AnyBed]:
    """A region whose fleet.yaml is what ``asked`` says, and which is up in the block unless the tests bring it up.

    Afterwards it is gone, whatever had become of it, its fleet.yaml too.
    """
    release(bed.folder / "k3s")
    bed.write(**asked)
    try:
        if up:
            bed.must("region", "up", "home")
        yield bed
    finally:
        bed.write(**asked)
        bed.region.down()
    assert bed.instances() == []


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read progress until a line has ``word``."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if word in line:
            return
    raise AssertionError("".join(said[-30:]))
