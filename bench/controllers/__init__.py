"""A thousand regions on four controllers with one PostgreSQL: one is killed, one comes, the database is restarted.

The loop, its sharing, its writes and the database are the real ones; only nodes are made up (``one``). The controllers
are processes of this machine that take each other for machines of their own.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.controllers.crew import Crew
from bench.report import Row, at_most
from tests.postgres import postgres, why_no_postgres

CONTROLLERS = 4
REGIONS = int(os.environ.get("DU_REGIONS", "1000"))
INTERVAL = float(os.environ.get("DU_INTERVAL", "5"))
"""Seconds between two passes over a region."""
_WATCHED_SECONDS = max(30.0, 3 * INTERVAL)
_AGAIN_SECONDS = 15
"""Ten until a signature is old, two until the next look, and what a controller needs to begin."""


def measure() -> Iterator[Row]:
    """Figures of one run."""
    if why_not := why_no_postgres():
        raise SystemExit(why_not)
    with ExitStack() as stack:
        server = stack.enter_context(postgres(durable=True))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="du-bench-")))
        crew = stack.enter_context(Crew(server, folder, REGIONS, INTERVAL))
        what = f"{REGIONS:,} regions, {CONTROLLERS} controllers"
        began = time.monotonic()
        for number in range(CONTROLLERS):
            crew.begin(f"c{number}")
            crew.until_there(number + 1)
        crew.until_shared()
        yield Row(f"{what}: from nothing until each has its share", f"{time.monotonic() - began:.1f} s")
        yield from _steady(crew, what)
        yield from _killed(crew)
        began = time.monotonic()
        crew.begin("c9")
        crew.until_shared()
        yield Row("another comes: until each has its share", f"{time.monotonic() - began:.1f} s")
        yield from _restarted(crew)
        yield at_most("a region that two controllers were at", len(crew.twice()), 0, "times")
        yield Row("memory of a controller, at most", f"{crew.memory():.0f} MB")


def _steady(crew: Crew, what: str) -> Iterator[Row]:
    """With nothing amiss."""
    load = crew.load(_WATCHED_SECONDS)
    yield Row(f"{what}, a pass each {INTERVAL:g} s: passes", f"{load.passes:.0f}/s of {REGIONS / INTERVAL:.0f} wanted")
    yield Row("… transactions of the database", f"{load.transactions:.0f}/s over {load.connections} connections")
    yield Row("… CPU of the database / of each controller", f"{load.server:.2f} / {load.controller:.2f} cores")


def _killed(crew: Crew) -> Iterator[Row]:
    victim = crew.names()[0]
    crew.settle()
    regions = crew.regions_of(victim)
    crew.kill(victim)
    when = time.monotonic()
    waits = crew.until_minded(regions, when)
    words = f"one is killed: until each of its {len(regions)} regions is minded again"
    yield at_most(words, max(waits), _AGAIN_SECONDS, "s")
    yield Row("… the first of them / half of them", f"{waits[0]:.1f} / {waits[len(waits) // 2]:.1f} s")


def _restarted(crew: Crew) -> Iterator[Row]:
    for how, words in ((signal.SIGINT, "restarted"), (signal.SIGQUIT, "killed, and started again")):
        before = crew.held()
        when = time.monotonic()
        crew.server.stop(how)
        crew.server.start()
        away = time.monotonic() - when
        waits = crew.until_minded(crew.all, time.monotonic())
        moved = sum(before.get(name) != who for name, who in crew.held().items())
        words = f"PostgreSQL is {words} (away for {away:.1f} s): until each region has had a pass"
        yield Row(words, f"{max(waits):.1f} s; {moved} regions went to another controller")
