"""The region's lock: one command at a time changes a region."""

from __future__ import annotations

from contextlib import AbstractContextManager

from du_infra.control.context import RegionContext
from du_infra.engines.lock import exclusive
from du_infra.progress import Reporter


def locked(context: RegionContext, report: Reporter, *, wait: float = 0) -> AbstractContextManager[None]:
    """Hold the lock. ``wait`` is how many seconds another command may take; then Busy is raised."""
    context.lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    context.state.chmod(0o700)
    return exclusive(context.lock, what=f"region {context.name}", report=report, wait=wait)
