"""One controller of the bench: the product's own loop on the real store, with the nodes and their answers made up.

``python -m bench.controllers.one FLEET NAME LOG INTERVAL``. Each pass asks and tells the store what a pass over a
region that is well does, and takes as long as a look over SSH does. It says so in LOG, by the clock that all processes
of a machine share: when it began, and when it ended.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from pathlib import Path
from unittest.mock import patch

from du_infra.autoscale.state import Sample
from du_infra.control import share
from du_infra.control.context import RegionContext
from du_infra.control.decision import Decision
from du_infra.control.loop import ControlLoop
from du_infra.control.minder import Minder
from du_infra.errors import DuError
from du_infra.progress import silent
from du_infra.store.owner import Owner, this_process

_LOOK_SECONDS = (0.05, 0.25)


def _elsewhere(name: str) -> Owner:
    """Us as if on another machine: the others cannot see that our process has ended, and wait until we are silent."""
    me = this_process()
    return Owner("bench", name, f"boot-{name}", me.space, me.pid, me.start)


class _Simulated:
    """In place of ``Minder.mind``."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("a", buffering=1)
        self._lock = threading.Lock()

    def mind(self, context: RegionContext) -> None:
        """One pass over a region in which nothing is amiss."""
        self._say("begin", context.name)
        try:
            _pass(context)
        except DuError as error:  # as the loop's own pass does: it is told, and made again
            sys.stderr.write(f"{time.monotonic():.3f} {context.name} {error}\n")
        self._say("end", context.name)

    def _say(self, what: str, region: str) -> None:
        with self._lock:
            self._log.write(f"{time.monotonic():.3f} {what} {region}\n")


def _pass(context: RegionContext) -> None:
    store, name = context.store, context.name
    store.pool(name)
    store.rollouts.open(name)
    store.healings.history(name, "")
    store.healings.open(name)
    time.sleep(random.uniform(*_LOOK_SECONDS))  # noqa: S311 - no secret
    now = time.monotonic()
    store.autoscaling.add(name, Sample(now, 3, cpu=50.0, rps=20.0))
    store.autoscaling.samples(name, now - 600)
    store.autoscaling.changes(name)


def _main() -> None:
    fleet, name, log, interval = sys.argv[1:5]
    pretended, simulated = _elsewhere(name), _Simulated(Path(log))

    def mind(minder: Minder, context: RegionContext) -> None:
        simulated.mind(context)

    def tell(decision: Decision) -> None:
        sys.stderr.write(f"{time.monotonic():.3f} {name} {decision.kind} {decision.text}\n")

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with patch.object(share, "this_process", lambda: pretended), patch.object(Minder, "mind", mind):
        ControlLoop(Path(fleet), [], tell, silent).run(float(interval), stop)


if __name__ == "__main__":
    _main()
