"""The region's lock: one command at a time changes a region, on whatever machine it runs.

On this machine it is an flock, which the kernel frees when its holder ends. Where the store is shared, a lease there
holds for all machines: who loses it, because it stood still, can write nothing more for the region.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from du_infra.control.context import RegionContext
from du_infra.engines.lock import exclusive
from du_infra.errors import Busy
from du_infra.progress import Event, Reporter

_POLL = 0.5


@contextmanager
def locked(context: RegionContext, report: Reporter, *, wait: float = 0) -> Iterator[None]:
    """Hold the lock. ``wait`` is how many seconds another command may take; then Busy is raised."""
    deadline = time.monotonic() + wait
    context.lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    context.state.chmod(0o700)
    with exclusive(context.lock, what=f"region {context.name}", report=report, wait=wait), ExitStack() as held:
        if context.shared:
            _hold(context, report, deadline, held)
        yield


def _hold(context: RegionContext, report: Reporter, deadline: float, held: ExitStack) -> None:
    from du_infra.store.gate import fenced

    told = False
    while True:
        try:
            # No region is called so: the lease is not forgotten with the region that it is for.
            lease = held.enter_context(context.store.leases.held(f".region/{context.name}", f"region {context.name}"))
        except Busy as error:
            error.todo = "wait for it to end, then run the same command again"
            if time.monotonic() > deadline:
                raise
            if not told:
                report(Event("step", f"region {context.name}", f"waiting: {error}"))
            told = True
            time.sleep(_POLL)
        else:
            held.enter_context(fenced(lease.fence))
            return
