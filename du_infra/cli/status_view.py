"""A region's status as a person reads it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from du_infra.health.state import RegionStatus


def show_status(status: RegionStatus) -> None:
    """Print two tables, nodes and services, and below them what is wrong, if anything is."""
    console = Console(highlight=False)
    console.print(
        f"[bold]{status.name}[/]  {_word(status.ready)}  "
        f"{status.provider} · {status.runtime} · {status.gateway} · VIP {status.vip or '-'}"
    )
    if status.nodes:
        console.print(_nodes(status))
    if status.services and status.vip:
        console.print(_services(status))
    if status.survives:
        console.print(status.survives, style="dim")
    for reason in status.why:
        console.print(f"[red]✗[/] {reason}")


def _nodes(status: RegionStatus) -> Table:
    table = _table("NODE", "ADDRESS", "READY", "MEMORY", "DISK")
    for n in status.nodes:
        memory = f"{n.memory_used_mb} of {n.memory_total_mb} MB" if n.memory_used_mb is not None else "-"
        disk = f"{n.disk_used_percent} %" if n.disk_used_percent is not None else "-"
        table.add_row(n.name, n.address, _word(n.ready), memory, disk)
    return table


def _services(status: RegionStatus) -> Table:
    table = _table("SERVICE", "URL", "SLOT", "RELEASE", "IMAGE", "READY")
    for s in status.services:
        image = s.digest.partition(":")[2][:12]
        table.add_row(s.name, s.url, s.slot or "-", s.release or "-", image or "-", _word(s.ready))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _word(ready: bool) -> str:
    return "[green]ready[/]" if ready else "[red]not ready[/]"
