"""Run every benchmark, or those named on the command line, and print one table."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from bench import planning, region, startup, switches
from bench.report import Row, head, line, machine

_BENCHES = {
    "startup": startup.measure,
    "planning": planning.measure,
    "region": region.measure,
    "switches": switches.measure,
}


def main() -> None:
    """``python -m bench [startup|planning|region|switches …]``."""
    chosen = sys.argv[1:] or list(_BENCHES)
    unknown = [name for name in chosen if name not in _BENCHES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(_BENCHES)}")
    print(machine(), head(), sep="\n", flush=True)
    missed = [row for name in chosen for row in _told(_BENCHES[name]()) if row.met is False]
    sys.exit(bool(missed))


def _told(rows: Iterable[Row]) -> Iterator[Row]:
    """Each row is printed when it is there: a run takes an hour, and what it has measured outlives its end."""
    for row in rows:
        print(line(row), flush=True)
        yield row


if __name__ == "__main__":
    main()
