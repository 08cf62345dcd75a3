"""What answers DNS for a fleet; one driver for each backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from du_infra.traffic.state import Capabilities, Record


class Backend(Protocol):
    """Authoritative DNS. Every method may raise ToolMissing, EngineFailed or Unreachable."""

    def capabilities(self) -> Capabilities:
        """What it can do; asks nobody."""

    def read(self) -> Record | None:
        """What it has been told; None when it knows nothing of the name."""

    def write(self, wanted: Record, was: Record | None) -> None:
        """Go from ``was``, which ``read`` gave, to ``wanted`` in one change: whoever asks gets one or the other.

        Raises Busy when it is no longer as it was, and Refused for what it cannot do (see ``capabilities``).
        """

    def servers(self) -> Sequence[str]:
        """Each authoritative server, "address" or "address:port", to be asked what it answers."""
