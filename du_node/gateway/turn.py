"""One table after the other: an apply and the follower of the peers may both have one for the gateway."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from du_node import places


@contextmanager
def turn() -> Iterator[None]:
    """Wait until nobody else changes the gateway's table. Whoever has his turn reads first what is there now.

    That takes seconds at most: a table is proven, or taken back. The kernel ends the turn of a process that is killed.
    """
    os.makedirs(places.RUN, exist_ok=True)  # noqa: PTH103
    descriptor = os.open(places.TURN, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
