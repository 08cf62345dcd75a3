"""What kinds of requests there are, and how many of each."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from bench.load.http1 import Answer
from bench.load.http2 import Http2
from bench.load.pace import pace
from bench.load.plain import Fresh, Kept, Slow
from bench.load.streams import Events, Stream, Websocket, follow
from bench.load.tally import Tally
from bench.load.target import Target


class Client(Protocol):
    """One kind of request."""

    async def __call__(self) -> Answer:
        """One request. Raises OSError or Lost."""

    def close(self) -> None:
        """Close what is kept open."""


PACED: Mapping[str, Callable[[Target], Client]] = {
    "get": lambda target: Kept(target, "GET"),
    "post": lambda target: Kept(target, "POST"),
    "get-fresh": lambda target: Fresh(target, "GET"),
    "post-fresh": lambda target: Fresh(target, "POST"),
    "slow": Slow,
    "h2-get": lambda target: Http2(target, "GET"),
    "h2-post": lambda target: Http2(target, "POST"),
}
"""Requests; the mix says how many a second."""

STREAMS: Mapping[str, Callable[[Target], Stream]] = {"websocket": Websocket, "events": Events}
"""Long-lived connections; the mix says how many at once."""

USUAL = "get=30,post=20,get-fresh=20,post-fresh=15,slow=1,h2-get=10,h2-post=5,websocket=4,events=2"
"""About 100 requests a second, for less than a tenth of a core."""


def mix(text: str) -> dict[str, float]:
    """``kind=number,…`` as a mapping. Raises argparse.ArgumentTypeError."""
    found = {}
    for part in text.split(","):
        kind, _, number = part.partition("=")
        if kind not in {*PACED, *STREAMS}:
            raise argparse.ArgumentTypeError(f"no kind {kind!r}; there are {', '.join([*PACED, *STREAMS])}")
        try:
            found[kind] = float(number)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{part!r} is not kind=number") from error
        if not 0 < found[kind] <= 1000:
            raise argparse.ArgumentTypeError(f"{kind} must be between 0 and 1000")
    return found


async def run(parts: Mapping[str, float], target: Target, stop: asyncio.Event, timeout: float) -> Tally:
    """Load ``target`` until ``stop`` is set; requests under way then are waited for."""
    tally = Tally()
    clients = {kind: PACED[kind](target) for kind in parts if kind in PACED}
    jobs: list[Awaitable[None]] = [pace(k, parts[k], client, tally, timeout) for k, client in clients.items()]
    for kind in parts.keys() & STREAMS.keys():
        jobs += [follow(kind, STREAMS[kind], target, tally, timeout) for _ in range(int(parts[kind]))]
    tasks = [asyncio.ensure_future(job) for job in jobs]
    over = asyncio.ensure_future(stop.wait())
    await asyncio.wait([over, *tasks], return_when=asyncio.FIRST_COMPLETED)
    tally.stop()
    for task in [over, *tasks]:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for client in clients.values():
        client.close()
    tally.moved = sum(client.moved for client in clients.values() if isinstance(client, Http2))
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return tally
