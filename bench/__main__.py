"""Run every benchmark, or those named on the command line, and print one table."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator

from bench import controllers, planning, region, startup, switches, traffic, watching
from bench.k3s import memory
from bench.report import Row, head, line, machine

_BENCHES: dict[str, Callable[[], Iterable[Row]]] = {
    "startup": startup.measure,
    "planning": planning.measure,
    "traffic": traffic.measure,
    "watching": watching.measure,
    "controllers": controllers.measure,
    "region": region.measure,
    "switches": switches.measure,
}
_ON_REQUEST: dict[str, Callable[[], Iterable[Row]]] = {"k3s-memory": memory.measure}
"""They need the stand-in for K3s, which is built from nothing in some minutes."""


def main() -> None:
    """``python -m bench [NAME …]``; without a name all but those on request."""
    known = {**_BENCHES, **_ON_REQUEST}
    chosen = sys.argv[1:] or list(_BENCHES)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the regions it made are taken away
    print(machine(), head(), sep="\n", flush=True)
    missed = [row for name in chosen for row in _told(known[name]()) if row.met is False]
    sys.exit(bool(missed))


def _told(rows: Iterable[Row]) -> Iterator[Row]:
    """Each row is printed when it is there: a run takes an hour, and what it has measured outlives its end."""
    for row in rows:
        print(line(row), flush=True)
        yield row


if __name__ == "__main__":
    main()
