"""The clock of the load: one request is due every 1/rate seconds, whatever became of those before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.load.explain import explain
from bench.load.http1 import Answer
from bench.load.tally import Tally

AT_ONCE = 500
"""Requests of one kind that may wait for their answer at once. One more is a loss: it would hide an outage."""


async def pace(kind: str, rate: float, once: Callable[[], Awaitable[Answer]], tally: Tally, timeout: float) -> None:
    """Send ``rate`` requests a second until cancelled; then those under way are waited for."""
    under_way: set[asyncio.Task[None]] = set()
    due = time.monotonic() + 1 / rate
    try:
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tally.lag = max(tally.lag, time.monotonic() - due)
            if len(under_way) < AT_ONCE:
                task = asyncio.create_task(_one(kind, due, once, tally, timeout))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            else:
                tally.lost(kind, f"{AT_ONCE} unanswered requests")
            due += 1 / rate
    finally:
        if under_way:
            await asyncio.wait(under_way)


async def _one(kind: str, due: float, once: Callable[[], Awaitable[Answer]], tally: Tally, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            answer = await once()
    except Exception as error:  # Whatever it was: a request that is not counted would be the worst of losses.
        tally.lost(kind, explain(error))
    else:
        tally.good(kind, due, answer.release)
