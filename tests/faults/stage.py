"""A region on which releases run under load, and what must be true of it whenever one has ended."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.shell import Shell, node_run
from tests.region.conftest import HELLO, Bed

TAGS = ("v1", "v2", "websocket")
"""Three that are alike in all that matters. The one to come next is not on the node any more: it must be pulled."""

LOAD = "get=25,post=15,get-fresh=15,post-fresh=10,slow=1,h2-get=6,h2-post=4,websocket=2,events=1"
_SETTLE_SECONDS = 60.0


@dataclass
class Stage:
    """One node in a region of its own, with the named runtime and gateway; hello is released there again and again."""

    bed: Bed
    runtime: str
    gateway: str
    node: str = ""
    vip: str = ""
    settings: str = "{observe: 2s, canary: [50], cut_after: 5s, min_requests: 1000}"
    _tags: list[str] = field(default_factory=lambda: list(TAGS))
    _shell: list[Shell] = field(default_factory=list)

    def up(self) -> None:
        """Bring it up with v1."""
        home = f"{{provider: lxd, runtime: {self.runtime}, gateway: {self.gateway}}}"
        hello = f"{{image: {HELLO}, tag: v1, port: 8080, release: {self.settings}}}"
        self.bed.write_text(f"fleet: {self.bed.name}\nregions:\n  home: {home}\nservices:\n  hello: {hello}\n")
        result = self.bed.region.up()
        (self.node,), self.vip = result.nodes, result.vip

    def down(self) -> None:
        """Take it away."""
        self.forget_shell()
        self.bed.region.down()
        assert self.bed.instances() == []

    @property
    def shell(self) -> Shell:
        """A shell on the node that is open already."""
        if not self._shell:
            self._shell.append(Shell(self.node))
        return self._shell[0]

    def forget_shell(self) -> None:
        """The node has been restarted, or goes."""
        while self._shell:
            self._shell.pop().close()

    def next_tag(self) -> str:
        """The version that was used longest ago of those that no slot has, so that it must be pulled."""
        there = self._tags_there()
        chosen = next(tag for tag in self._tags if tag not in there)
        self._tags = [*(tag for tag in self._tags if tag != chosen), chosen]
        return chosen

    def _tags_there(self) -> set[str]:
        """The versions of all containers of ours, running or not: a release that was aborted may leave another's."""
        return set(node_run(self.node, f"{self._program} ps -a --format '{{{{.Label \"du.tag\"}}}}'").split())

    def release(self, tag: str, *options: str) -> subprocess.Popen[str]:
        """`du-infra release start hello TAG`, left running; progress is on its stderr."""
        return self.bed.start("release", "start", "hello", tag, "--yes", *options)

    def verb(self, verb: str) -> subprocess.CompletedProcess[str]:
        """`du-infra release VERB`."""
        return self.bed.run("release", verb)

    def standing(self) -> dict[str, Any]:
        """What `du-infra release status` says of hello."""
        done = self.bed.run("release", "status", "--output", "json")
        assert done.returncode == 0, done.stderr
        (found,) = json.loads(done.stdout)
        return dict(found)

    def node_status(self) -> dict[str, Any]:
        """What `du-node status` says."""
        return dict(json.loads(node_run(self.node, "du-node status")))

    def containers(self) -> dict[str, str]:
        """Name → status of every container of ours on the node, running or not."""
        lines = node_run(self.node, f"{self._program} ps -a --format '{{{{.Names}}}} {{{{.Status}}}}'").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    @property
    def _program(self) -> str:
        return "docker" if self.runtime == "docker" else "nerdctl -n du"

    def settle(self) -> dict[str, Any]:
        """Wait until the node is at rest and everything is as it must be; the row of the release that serves."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            try:
                return self._at_rest()
            except (AssertionError, ValueError, subprocess.TimeoutExpired):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _at_rest(self) -> dict[str, Any]:
        """Exactly one version, routed and ready; one running container; nothing half done. Or AssertionError."""
        status = self.node_status()
        assert status["ready"], status["why"]
        assert status["busy"] is None
        (row,) = status["services"]
        assert row["ready"], row
        others = {key: row[key] for key in ("backup", "canary", "share", "preview", "lingering") if row[key]}
        assert not others, others
        running = {name for name, how in self.containers().items() if how.startswith("Up")}
        assert running == {f"du-hello-{row['slot']}"}, self.containers()
        assert set(self.containers()) <= {"du-hello-blue", "du-hello-green"}
        assert self.bed.get()[0] == 200
        return dict(row)


@contextmanager
def lines_of(process: subprocess.Popen[str]) -> Iterator[Iterator[str]]:
    """The lines of a command's progress; it is ended and waited for at the end of the block, whatever happened."""
    assert process.stderr is not None
    try:
        yield iter(process.stderr)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()
