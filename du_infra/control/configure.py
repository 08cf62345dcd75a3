"""Stage "configure": Ansible, on the nodes that need it and no others."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from du_infra.assets import asset
from du_infra.control import configure_k3s
from du_infra.control.context import RegionContext
from du_infra.control.dns import answers_dns
from du_infra.control.machines import admin_cidrs
from du_infra.control.region_plan import why_configure
from du_infra.engines import zipapp
from du_infra.health.state import NodeReport
from du_infra.pool.names import number_of
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter
from du_infra.release.plan import digest_of

STAGE = "configure"

_PLAYBOOK = "configure.yml"
_TOP_PRIORITY, _PRIORITIES = 150, 100


def configurations(context: RegionContext, record: PoolRecord) -> dict[str, dict[str, Any]]:
    """Ansible's variables for each node by name; ``du_config_hash`` is the hash of all that decides the result."""
    common = _common(context, record)
    recipe = _hash_of_folder(asset("playbooks"))
    hosts: dict[str, dict[str, Any]] = {}
    for node in record.nodes:
        own = {**common, **among(record.nodes, node)}
        hosts[node.name] = {**own, "du_config_hash": _hash(recipe, own)}
    return hosts


def among(nodes: Sequence[Node], node: Node) -> dict[str, Any]:
    """The variables of ``node`` as one of ``nodes``: who the others are, and its VRRP priority.

    Whoever joins or leaves changes the list of the others and nothing else; the order of ``nodes`` changes nothing.
    """
    others = sorted((n for n in nodes if n.name != node.name), key=lambda n: number_of(n.name))
    return {
        "du_address": node.address,
        "du_priority": _priority(node.name),
        "du_peers": [n.address for n in others],
        "du_peer_nodes": [{"name": n.name, "address": n.address} for n in others],
    }


def configure_nodes(
    context: RegionContext,
    record: PoolRecord,
    reports: Sequence[NodeReport],
    report: Reporter,
    *,
    force: bool = False,
) -> int:
    """Run the playbook where it is needed (everywhere with ``force``); returns how many tasks changed something.

    Raises EngineFailed, with host, task and the module's own message, or Unreachable.
    """
    hosts = configurations(context, record)
    reasons = {r.name: "asked for" if force else why_configure(r, hash_of(hosts[r.name])) for r in reports}
    todo = [node for node in record.nodes if reasons.get(node.name)]
    for node in todo:
        report(Event("step", STAGE, reasons[node.name], node=node.name))
    if not todo:
        report(Event("step", STAGE, "nothing to change"))
        return 0
    configure_k3s.verify(context)
    return _run(context, todo, hosts, report)


def hash_of(variables: Mapping[str, Any]) -> str:
    """The configuration hash among a node's variables."""
    return str(variables["du_config_hash"])


def _run(
    context: RegionContext, nodes: Sequence[Node], hosts: Mapping[str, Mapping[str, Any]], report: Reporter
) -> int:
    from du_infra.engines.ansible import run_playbook

    outcome = run_playbook(
        _PLAYBOOK,
        [context.target(node) for node in nodes],
        {},
        {node.name: hosts[node.name] for node in nodes},
        context.home / "ansible",
        report,
    )
    return outcome.changed


def _common(context: RegionContext, record: PoolRecord) -> dict[str, Any]:
    program, fingerprint = zipapp.build(_build_folder(context))
    return {
        "du_fleet": context.fleet.fleet,
        "du_region": context.name,
        "du_vip": f"{record.vip}/{context.provider.network().prefix}",
        "du_vrid": _virtual_router(record.vip),
        "du_admin_cidrs": admin_cidrs(context),
        "du_interface": "eth0",
        "du_gateway": context.spec.gateway,
        "du_runtime": context.spec.runtime,
        "du_registries": [
            {"host": r.host, "url": r.url, "plain_http": r.plain_http} for r in context.provider.registries()
        ],
        "du_node_zipapp": str(program),
        "du_node_sha256": fingerprint,
        **configure_k3s.variables(context),
        **({"du_dns": True} if answers_dns(context) else {}),
    }


def _build_folder(context: RegionContext) -> Path:
    folder = context.home / "build"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _hash(recipe: str, variables: Mapping[str, Any]) -> str:
    """Where du-infra's own files are on this machine decides nothing."""
    elsewhere: dict[str, Any] = {"du_node_zipapp": ""}
    if "du_k3s" in variables:
        elsewhere |= {"du_k3s": {**variables["du_k3s"], "folder": ""}}
    return digest_of([recipe, {**variables, **elsewhere}])[:16]


def _priority(name: str) -> int:
    """A VRRP priority (1 to 254) that a node keeps whoever joins or leaves; the lowest number is the first."""
    return _TOP_PRIORITY - (number_of(name) - 1) % _PRIORITIES


def _virtual_router(vip: str) -> int:
    """A VRRP router id (1 to 255) that differs between neighbouring VIPs: the VIP's last byte."""
    return ipaddress.IPv4Address(vip).packed[3] or 255


def _hash_of_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
