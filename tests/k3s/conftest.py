"""The stand-in is built from nothing in some minutes, so its tests run when they are asked for: `DU_K3S=1`."""

from __future__ import annotations

from pathlib import Path

from tests.k3s.wanted import WANTED

_ALWAYS = "test_build.py"
"""It needs no stand-in."""

collect_ignore = [] if WANTED else [p.name for p in Path(__file__).parent.glob("test_*.py") if p.name != _ALWAYS]
