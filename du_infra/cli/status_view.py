"""A region's status as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from du_infra.cli.console import console
from du_infra.health.state import NodeStatus, RegionStatus, ServiceStatus

_LOAD = {"cpu_percent": "%", "memory_percent": "%", "rps": "/s", "p95_ms": "ms"}


def show_status(status: RegionStatus) -> None:
    """Print two tables, nodes and services, and below them what is wrong, if anything is."""
    out = console()
    out.print(
        f"[bold]{status.name}[/]  {_word(status.ready)}  "
        f"{status.provider} · {status.runtime} · {status.gateway} · VIP {status.vip or '-'}"
    )
    if status.nodes:
        out.print(_nodes(status))
    if status.services and status.vip:
        out.print(_services(status))
    for service in status.services:
        for note in _notes(service):
            out.print(Text.assemble(("!", "yellow"), f" {service.name}: {note}"))
    if status.over:
        out.print(Text.assemble(("!", "yellow"), f" {status.over}"))
    if status.survives:
        out.print(Text(status.survives, style="dim"))
    for reason in status.why:
        out.print(Text.assemble(("✗", "red"), f" {reason}"))  # others' words: no markup of ours


def show_nodes(regions: Mapping[str, Sequence[NodeStatus]]) -> None:
    """Print one table with the nodes of several regions: how they are, and what they had to do in the last minute."""
    table = _table("REGION", "NODE", "ADDRESS", "STATE", "CPU", "MEMORY", "REQUESTS", "P95", "WHY")
    for region, nodes in regions.items():
        for n in nodes:
            load = [_figure(n.load, key, unit) for key, unit in _LOAD.items()]
            table.add_row(region, n.name, n.address, node_word(n), *load, Text(n.why))
    console().print(table)


def _figure(load: Mapping[str, float], key: str, unit: str) -> str:
    return f"{load[key]:.0f} {unit}" if key in load else "-"


def _nodes(status: RegionStatus) -> Table:
    table = _table("NODE", "ADDRESS", "READY", "MEMORY", "DISK")
    for n in status.nodes:
        memory = f"{n.memory_used_mb} of {n.memory_total_mb} MB" if n.memory_used_mb is not None else "-"
        disk = f"{n.disk_used_percent} %" if n.disk_used_percent is not None else "-"
        table.add_row(n.name, n.address, node_word(n), memory, disk)
    return table


def node_word(node: NodeStatus) -> str:
    """How a node is, in a few words: ready, drained, leaving, and whether it holds the region's address."""
    going = {"leaving": "leaving", "replaced": "leaving once another serves", "returning": "coming back"}
    words = going.get(node.state, "drained" if node.draining else "")
    mark = f"[yellow]{words}[/]" if words else _word(node.ready)
    return f"{mark} · VIP" if node.front else mark


def _services(status: RegionStatus) -> Table:
    table = _table("SERVICE", "URL", "SLOT", "RELEASE", "IMAGE", "READY")
    for s in status.services:
        image = s.digest.partition(":")[2][:12]
        table.add_row(s.name, s.url, s.slot or "-", s.release or "-", image or "-", _word(s.ready))
    return table


def _notes(service: ServiceStatus) -> list[str]:
    """What goes on with a service's releases."""
    open_ones = f"{service.lingering} connection(s) are still open to the old copy" if service.lingering else ""
    return [note for note in (service.over, service.under_way, open_ones, _copies(service)) if note]


def _copies(service: ServiceStatus) -> str:
    """Where some of several copies are missing, or several share a node while another has none."""
    ready, count = service.copies_ready or 0, service.copies or 0
    return f"{ready} of {count} copies are ready" if ready < count else service.crowded


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _word(ready: bool) -> str:
    return "[green]ready[/]" if ready else "[red]not ready[/]"
