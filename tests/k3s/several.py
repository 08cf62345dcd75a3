"""A region with several K3s servers: who they are, and whether an API takes writes."""

from __future__ import annotations

import json
import time
from collections import Counter

from tests.k3s.region_bed import K3sBed


class SeveralServers(K3sBed):
    """``asked``: the number of the node by whose API kubectl asks."""

    asked = 1

    def kubectl(self, words: str, stdin: str = "") -> str:
        done = self.sh(self.asked, f"k3s kubectl {words}", stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def servers(self) -> set[str]:
        """Names of the Nodes that are servers."""
        items = json.loads(self.kubectl("get nodes -o json"))["items"]
        label = "node-role.kubernetes.io/control-plane"
        return {one["metadata"]["name"] for one in items if label in one["metadata"]["labels"]}

    def events(self) -> str:
        """What the cluster tells of its Nodes and copies, for who has to find out why requests were lost."""
        rows = "time:.lastTimestamp,what:.involvedObject.name,why:.reason,words:.message"
        return self.kubectl(f"get events -A --sort-by=.lastTimestamp -o custom-columns={rows}")

    def timed(self, *verbs: str) -> str:
        """A command that must not fail: what it says on the way, each line with the seconds since it began."""
        began, process = time.monotonic(), self.start(*verbs)
        assert process.stderr is not None
        said = "".join(f"{time.monotonic() - began:.1f} {line}" for line in process.stderr)
        assert process.wait() == 0, said
        return said

    def refused(self, number: int) -> str:
        """The requests that a node's gateway did not answer well, each as in its log, and what du-node said of late."""
        look = "awk '$NF >= 400' /var/log/du/access.log | tail -n 40; journalctl -q -o short-precise -n 40 -u du-node"
        return self.sh(number, look).stdout

    def copies(self) -> dict[str, int]:
        """How many copies each node has that are to stay."""
        told = json.loads(self.kubectl("-n du-infra get pods -o json"))["items"]
        staying = [pod for pod in told if "deletionTimestamp" not in pod["metadata"]]
        return dict(Counter(pod["spec"].get("nodeName", "") for pod in staying))

    def writes(self, number: int) -> bool:
        """Whether something can be written by the API of this node's server."""
        mark = time.monotonic_ns()
        done = self.sh(number, f"k3s kubectl --request-timeout=2s annotate --overwrite ns default du-test/at={mark}")
        return done.returncode == 0

    def longest_without(self, number: int, seconds: float) -> float:
        """The longest time without a write by the API of this node, within so many seconds."""
        last = time.monotonic()
        end, longest = last + seconds, 0.0
        while (now := time.monotonic()) < end:
            if self.writes(number):
                longest, last = max(longest, now - last), now
            time.sleep(0.2)
        return max(longest, time.monotonic() - last)
