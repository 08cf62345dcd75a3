"""``region doctor``: every node is examined, and the cluster looked at; nothing is changed."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from du_infra.control.cluster.observe import look, plain_version
from du_infra.control.cluster.servers import has_cluster
from du_infra.control.context import RegionContext
from du_infra.control.diagnosis import Cluster, Finding, NodeFacts, diagnose
from du_infra.control.observe import observe_node
from du_infra.engines import ssh
from du_infra.errors import DuError
from du_infra.parallel import each
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent

_SECONDS = 30.0
_NO_SUCH_VERB = 2


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a region, what is bad first, and which nodes were examined."""

    region: str
    nodes: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is bad."""
        return not any(one.level == "bad" for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The stable form for programs (docs/cli.md)."""
        return {"sound": self.sound, **asdict(self)}


def region_doctor(context: RegionContext) -> Diagnosis:
    """Examine a region. Raises Refused where it is not up, and what the provider fails with."""
    record = context.must_be_up()
    context.provider.connect()
    nodes = each(lambda node: _examined(context, node), record.nodes)
    found = diagnose(context.name, nodes, _cluster(context, record), time.time())
    return Diagnosis(context.name, tuple(node.name for node in record.nodes), tuple(found))


def _examined(context: RegionContext, node: Node) -> NodeFacts:
    """The clock's error is what the time of asking and answering does not explain."""
    try:
        began = time.time()
        done = ssh.run(context.target(node), ["du-node", "examine"], timeout=_SECONDS)
        ended = time.time()
    except DuError as error:
        return NodeFacts(node.name, why=error.what)
    if done.rc == _NO_SUCH_VERB:
        return NodeFacts(node.name, why="its du-node is older than this du-infra: `du-infra region up` brings another")
    try:
        told = json.loads(done.stdout)
        now = float(told["now"])
    except (ValueError, KeyError, TypeError):
        return NodeFacts(node.name, why=f"`du-node examine` does not work: {done.stderr.strip()[-200:]}")
    ahead = now - ended if now > ended else now - began if now < began else 0.0
    return NodeFacts(node.name, told, ahead=ahead, drift=observe_node(context, node).drift)


def _cluster(context: RegionContext, record: PoolRecord) -> Cluster | None:
    if not has_cluster(context):
        return None
    seen = look(context, record, silent)
    return Cluster(seen.observed, plain_version(context.spec.k3s.version), seen.stale)
