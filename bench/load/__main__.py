"""``python -m bench.load ADDRESS[:PORT]``: load until the time is over, SIGTERM, or the end of standard input."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import sys

from bench.load.mix import USUAL, mix, run
from bench.load.target import Target, target

LONGEST = 3600.0


def main() -> None:
    """One line "started" and, at the end, one JSON object on standard output. The exit code is always 0."""
    options = _options()
    asked = Target(options.target.address, options.target.port, options.host)
    tally = asyncio.run(_load(options, asked))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = round(used.ru_utime + used.ru_stime, 2)
    print(json.dumps({**tally, "cpu_seconds": cpu, "memory_mb": used.ru_maxrss >> 10}), flush=True)


async def _load(options: argparse.Namespace, asked: Target) -> dict[str, object]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.call_later(options.seconds, stop.set)
    if options.until_eof:
        loop.add_reader(sys.stdin.fileno(), _until_eof, stop)
    print("started", flush=True)
    return (await run(options.mix, asked, stop, options.timeout)).summary()


def _until_eof(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        stop.set()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("target", type=target, help="address[:port], loopback or a node of the local cloud")
    parser.add_argument("--host", default="", help="the Host header")
    parser.add_argument("--seconds", type=_seconds, default=60.0, help="how long at most (default 60)")
    parser.add_argument("--mix", type=mix, default=mix(USUAL), help=f"how much of each kind (default {USUAL})")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds until an answer counts as lost")
    parser.add_argument("--until-eof", action="store_true", help="end with standard input: with whoever started it")
    return parser.parse_args()


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= LONGEST:
        raise argparse.ArgumentTypeError(f"between 0 and {LONGEST:g}")
    return value


if __name__ == "__main__":
    main()
