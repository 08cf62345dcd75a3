"""Whether tests run on the stand-in as well: it is built from nothing in some minutes."""

from __future__ import annotations

import os

WANTED = os.environ.get("DU_K3S") == "1" or os.environ.get("DU_FAULTS") == "all"
