"""From what nodes and the VIP say to what a region's state is. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from du_infra.health.spread import crowd_of
from du_infra.health.state import Crowd, NodeReport, NodeStatus, RegionStatus, ServiceStatus, VipReport
from du_infra.spec import RegionSpec, ServiceSpec


def judge(
    name: str,
    region: RegionSpec,
    services: Mapping[str, ServiceSpec],
    vip: str,
    reports: Sequence[NodeReport],
    answer: VipReport,
    leaving: Mapping[str, str] = MappingProxyType({}),
) -> RegionStatus:
    """The state of region ``name``; ``services`` are the ones it should run, ``reports`` one for each node.

    ``leaving`` has the state of nodes that are on their way out, by name: whether they are ready is no matter.
    """
    nodes = tuple(_node(report, leaving.get(report.name, "")) for report in reports)
    counted = [report for report in reports if report.name not in leaving]
    crowds = {key: crowd_of(key, counted) for key in services}
    states = tuple(_service(key, spec, vip, counted, crowds[key]) for key, spec in services.items())
    reasons = tuple(_reasons(name, vip, [node for node in nodes if node.name not in leaving], states, answer))
    return RegionStatus(
        name=name,
        provider=region.provider,
        runtime=region.runtime,
        gateway=region.gateway,
        ready=not reasons,
        vip=vip,
        nodes=nodes,
        services=states,
        survives=_survives(region, services, nodes, crowds),
        why=reasons,
    )


def with_releases(status: RegionStatus, over: Mapping[str, str], under_way: Mapping[str, str]) -> RegionStatus:
    """``status`` with what is known of releases: for each service, in words, what runs over fleet.yaml or is open."""
    services = tuple(
        replace(service, over=over.get(service.name, ""), under_way=under_way.get(service.name, ""))
        for service in status.services
    )
    return replace(status, services=services)


def service_url(spec: ServiceSpec, vip: str) -> str:
    """Where a service answers: its host name if it has one, else the VIP."""
    return f"http://{spec.host or vip}{spec.path}"


def _survives(
    region: RegionSpec,
    services: Mapping[str, ServiceSpec],
    nodes: Sequence[NodeStatus],
    crowds: Mapping[str, Crowd],
) -> str:
    """Which losses the region bears now, by the nodes that take requests; and which it does not."""
    taking = sum(node.ready and not node.draining for node in nodes)
    if len(nodes) < 2:
        return "one node: a reboot or a crash heals, the loss of the machine is an outage" if nodes else ""
    if taking < 2:
        return f"{taking or 'none'} of {len(nodes)} nodes takes requests: the loss of one more is an outage"
    words = f"{taking} nodes take requests, each runs every service: one may be lost, and the VIP moves with it"
    if region.provider == "lxd":
        words += "; the loss of this machine, on which all of them run, is an outage"
    if any(service.volumes for service in services.values()):
        words += "; volumes are each node's own and are lost with it"
    for name, crowd in crowds.items():
        if crowd.alone:
            words += f"; but all copies of {name} are on {crowd.full[0]}: without it nobody answers until others start"
    return words


def _reasons(
    name: str, vip: str, nodes: Iterable[NodeStatus], services: Iterable[ServiceStatus], answer: VipReport
) -> Iterable[str]:
    if not vip:
        yield f"the region is not up: `du-infra region up {name}`"
        return
    for node in nodes:
        if not node.ready:
            yield f"{node.name}: {node.why or 'not ready'}"
    for service in services:
        if not service.ready:
            yield f"{service.name}: {service.why or 'not ready'}"
    if not answer.ready:
        yield f"VIP {vip}: {answer.why or f'/readyz answers {answer.status}'}"


def _node(report: NodeReport, state: str) -> NodeStatus:
    return NodeStatus(
        name=report.name,
        address=report.address,
        ready=report.answers and report.ready,
        memory_used_mb=report.memory.get("used_mb"),
        memory_total_mb=report.memory.get("total_mb"),
        disk_used_percent=report.disk.get("used_percent"),
        why=report.why,
        state=state,
        draining=report.draining,
        front=report.front,
        load=report.load,
    )


def _service(name: str, spec: ServiceSpec, vip: str, reports: Sequence[NodeReport], crowd: Crowd) -> ServiceStatus:
    seen = [entry for report in reports for entry in report.services if entry.get("name") == name]
    copies = next((found for report in reports if (found := report.copies_of(name))), {})
    return ServiceStatus(
        name=name,
        url=service_url(spec, vip) if vip else "",
        slot=_common(seen, "slot"),
        release=_common(seen, "release"),
        tag=_common(seen, "tag"),
        digest=_common(seen, "digest"),
        ready=bool(seen) and len(seen) == len(reports) and all(entry.get("ready") for entry in seen),
        why=_why(seen, len(reports)),
        lingering=sum(int(entry.get("lingering") or 0) for entry in seen),
        copies=copies.get("count"),
        copies_ready=copies.get("ready"),
        crowded=str(crowd),
    )


def _common(entries: Sequence[Mapping[str, Any]], key: str) -> str:
    values = {str(entry.get(key) or "") for entry in entries}
    return values.pop() if len(values) == 1 else "mixed" if values else ""


def _why(seen: Sequence[Mapping[str, Any]], nodes: int) -> str:
    told = "; ".join(sorted({str(entry["why"]) for entry in seen if entry.get("why")}))
    return told or (f"runs on {len(seen)} of {nodes} node(s)" if len(seen) != nodes else "")
