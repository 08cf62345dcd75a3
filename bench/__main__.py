"""Run every benchmark, or those named on the command line, and print one table."""

from __future__ import annotations

import sys

from bench import region, startup, switches
from bench.report import machine, table

_BENCHES = {"startup": startup.measure, "region": region.measure, "switches": switches.measure}


def main() -> None:
    """``python -m bench [startup|region|switches …]``."""
    chosen = sys.argv[1:] or list(_BENCHES)
    unknown = [name for name in chosen if name not in _BENCHES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(_BENCHES)}")
    print(machine())
    rows = [row for name in chosen for row in _BENCHES[name]()]
    print(table(rows))
    sys.exit(any(row.met is False for row in rows))


if __name__ == "__main__":
    main()
