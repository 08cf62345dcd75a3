"""``python -m bench.autoscale draw`` draws docs/plots/autoscale-*.svg; ``… record`` loads a real region first."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.autoscale import draw, record

_ROOT = Path(__file__).parents[2]
_PLOTS = _ROOT / "docs" / "plots"
RECORDED = _ROOT / "tests" / "unit" / "autoscale" / "recorded.json"


def main() -> None:
    """Each file is told when it is there."""
    if sys.argv[1:] not in (["draw"], ["record"]):
        sys.exit("usage: python -m bench.autoscale draw | record")
    if sys.argv[1] == "record":
        record.run(RECORDED)
        print(RECORDED)
    _PLOTS.mkdir(exist_ok=True)
    for name, make in draw.simulated().items():
        print(draw.save(make(), _PLOTS / f"autoscale-{name}.svg"))
    if RECORDED.exists():
        print(draw.save(draw.real(RECORDED), _PLOTS / "autoscale-real.svg"))


if __name__ == "__main__":
    main()
