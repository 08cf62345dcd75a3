"""A region whose number of nodes changes under load, and what must be true of it whenever it is at rest."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field

from tests.faults.pool.agree import agreed
from tests.region.conftest import HELLO, Bed, lxc
from tests.region.machine import booted

_WHOLE_SECONDS = 90.0


@dataclass
class PoolStage:
    """A region ``home`` with hello v1.

    ``seen``: the number of every node that it ever had. ``whole_seconds``: how long healing may take.
    """

    bed: Bed
    gateway: str = "nginx"
    heal: str = "{enabled: false}"
    vip: str = ""
    seen: set[int] = field(default_factory=set)
    whole_seconds: float = _WHOLE_SECONDS

    def up(self, nodes: int) -> None:
        """Bring it up."""
        pool = f"{{min: {nodes}, max: 6}}"
        home = f"{{provider: lxd, gateway: {self.gateway}, pool: {pool}, heal: {self.heal}}}"
        hello = f"{{image: {HELLO}, tag: v1, port: 8080, release: {{observe: 1s, cut_after: 3s}}}}"
        self.bed.write_text(f"fleet: {self.bed.name}\nregions:\n  home: {home}\nservices:\n  hello: {hello}\n")
        self.vip = self.bed.region.up().vip
        self.settle(nodes)

    def scale(self, nodes: int) -> subprocess.CompletedProcess[str]:
        """`du-infra region scale home NODES --yes`."""
        return self.bed.run("region", "scale", "home", str(nodes), "--yes")

    def have(self, nodes: int) -> None:
        """See that it has so many nodes and is at rest."""
        if len(self.bed.region.nodes()) != nodes:
            done = self.scale(nodes)
            assert done.returncode == 0, done.stderr
        self.settle(nodes)

    def settle(self, nodes: int, seconds: float = _WHOLE_SECONDS) -> list[str]:
        """Wait until the region has so many nodes and is at rest; AssertionError says what is not so in the end."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self._at_rest(nodes)
            except (AssertionError, ValueError, OSError, subprocess.TimeoutExpired):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _at_rest(self, nodes: int) -> list[str]:
        """All agree on the nodes, all of them serve, and no name was given out twice."""
        names = agreed(self.bed)
        assert len(names) == nodes, names
        assert self.bed.get()[0] == 200
        new = {number_of(name) for name in names} - self.seen
        assert not new or min(new) > max(self.seen, default=0), (names, self.seen)
        self.seen |= new
        return names

    def holder(self) -> str:
        """The node that holds the region's address; where its du-node is late, its gateway answers without a name."""
        deadline = time.monotonic() + self.whole_seconds
        while "node" not in (told := json.loads(self.bed.get("/readyz")[1])):
            assert time.monotonic() < deadline, told
            time.sleep(0.2)
        return str(told["node"])

    def marks(self) -> dict[str, tuple[str, str]]:
        """For each node what changes when it is made again or booted, and when its service is started again."""
        return {name: (booted(name), _container(name)) for name in self.bed.instances()}


def number_of(name: str) -> int:
    """The number at the end of a node's name."""
    return int(name.rpartition("-")[2])


def _container(name: str) -> str:
    return lxc("exec", name, "--", "nerdctl", "-n", "du", "ps", "--no-trunc", "--format", "{{.ID}}")
