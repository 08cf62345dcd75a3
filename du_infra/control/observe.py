"""Ask nodes and the VIP how they are."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.engines import ssh
from du_infra.errors import DuError
from du_infra.health.state import NodeReport, VipReport
from du_infra.parallel import each
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node

_COMMAND_NOT_FOUND = 127
_NODE_SECONDS = 10
_VIP_SECONDS = 2


def observe_nodes(context: RegionContext, nodes: Sequence[Node]) -> list[NodeReport]:
    """One report for each node, in their order; a node that does not answer is a report that says so."""
    return each(lambda node: observe_node(context, node), nodes)


def observe_node(context: RegionContext, node: Node) -> NodeReport:
    """What du-node says on one node."""
    if node.name in context.dead:
        return NodeReport(node.name, node.address, reachable=False, why="is dead")
    try:
        done = ssh.run(context.target(node), ["du-node", "status"], timeout=_NODE_SECONDS)
    except DuError as error:
        why = error.what if node.joined else f"is not there yet: `du-infra region up {context.name}` goes on"
        return NodeReport(node.name, node.address, reachable=False, why=why)
    if done.rc == _COMMAND_NOT_FOUND:
        return NodeReport(node.name, node.address, installed=False, why="not configured yet")
    try:
        return _report(node, json.loads(done.stdout))
    except (ValueError, KeyError, TypeError, AttributeError):
        said = (done.stderr or done.stdout).strip().splitlines()
        why = f"`du-node status` does not work: {said[-1][:200] if said else 'it says nothing'}"
        return NodeReport(node.name, node.address, installed=False, broken=True, why=why)


def front_of(record: PoolRecord, reports: Sequence[NodeReport]) -> str:
    """The node that holds the region's address, by its own word or by what answers there; "" when nobody says."""
    told = next((report.name for report in reports if report.front), "")
    if told or not record.vip:
        return told
    try:
        _, body = http_get(record.vip, "/readyz", timeout=_VIP_SECONDS)
        name = str(json.loads(body).get("node") or "")
    except (OSError, ValueError, AttributeError):
        return ""
    return name if any(node.name == name for node in record.nodes) else ""


def observe_vip(vip: str) -> VipReport:
    """What GET http://VIP/readyz answers."""
    try:
        status, body = http_get(vip, "/readyz", timeout=_VIP_SECONDS)
    except OSError as error:
        return VipReport(why=f"does not answer ({error.strerror or error})")
    try:
        answer = json.loads(body)
    except ValueError:
        return VipReport(status)
    if not isinstance(answer, dict):  # somebody else has the address
        return VipReport(status)
    return VipReport(status, bool(answer.get("ready")), str(answer.get("config", "")), str(answer.get("why", "")))


def http_get(address: str, path: str, *, timeout: float, host: str | None = None) -> tuple[int, bytes]:
    """Status and body of GET http://address/path, asked for as ``host``. Raises OSError when nothing answers."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"not HTTP: {error!r}") from error
    finally:
        connection.close()


def _report(node: Node, told: dict[str, Any]) -> NodeReport:
    configured = told.get("configured") or {}
    services = tuple(told.get("services") or ())
    return NodeReport(
        name=node.name,
        address=node.address,
        ready=bool(told["ready"]),
        config=str(told.get("config") or ""),
        configured=str(configured.get("hash") or ""),
        drift=tuple(configured.get("drift") or ()),
        gateway=told.get("gateway") or {},
        runtime=str(told.get("runtime") or ""),
        services=services,
        busy=told.get("busy") or {},
        result=told.get("result") or {},
        memory=told.get("memory") or {},
        disk=told.get("disk") or {},
        draining=bool(told.get("draining")),
        front=bool(told.get("vip")),
        peers=tuple(told.get("peers") or ()),
        load=told.get("load") or {},
        why="" if told["ready"] else "; ".join(f"{s['name']}: {s['why']}" for s in services if s.get("why")),
    )
