"""A node that boots and never answers: told within the time it has, in nobody's way, and not there in the end.

The tests build on one another, top to bottom.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.faults.pool.agree import asking, assert_clear, assert_none_lost, at_rest, context_of
from tests.faults.pool.silence import silenced
from tests.region.conftest import HELLO, Bed, lxc
from tests.region.machine import booted
from tests.region.minding import Loop

pytestmark = [
    pytest.mark.lxd,
    pytest.mark.timeout(3600),
]

_CALM_BOOT_SECONDS = 30.0
_CALM_HEALED_SECONDS = 120.0
_TRIES = 3


@dataclass
class Quiet:
    """A region of one node, and how many seconds a machine gets there: twice what the first one took."""

    bed: Bed
    boot: float = 0.0
    slow: float = 1.0

    def up(self) -> None:
        self.write("2m")
        took = self.bed.region.up().seconds["boot"]
        self.slow = max(1.0, took / 5)
        self.boot = round(max(_CALM_BOOT_SECONDS, 2 * took))
        self.write(f"{self.boot:.0f}s")

    def write(self, boot: str) -> None:
        home = f"{{provider: lxd, pool: {{nodes: 1, boot_timeout: {boot}}}, heal: {{dead_after: 4s}}}}"
        hello = f"{{image: {HELLO}, tag: v1, port: 8080, release: {{observe: 1s}}}}"
        self.bed.write_text(f"fleet: {self.bed.name}\nregions:\n  home: {home}\nservices:\n  hello: {hello}\n")

    def name(self, number: int) -> str:
        return f"{self.bed.name}-home-{number}"


@pytest.fixture(scope="module")
def quiet(make_bed: Callable[[], Bed]) -> Iterator[Quiet]:
    made = Quiet(make_bed())
    made.up()
    yield made


def up_again(bed: Bed) -> list[subprocess.CompletedProcess[str]]:
    """`region up`; on a machine with more work than it can do nodes answer late, and it has to be said again."""
    tries = [bed.run("region", "up", "home", timeout=900)]
    while tries[-1].returncode and len(tries) < _TRIES:
        assert_clear(tries[-1])
        tries.append(bed.run("region", "up", "home", timeout=900))
    assert tries[-1].returncode == 0, tries[-1].stderr
    return tries


def test_a_scale_fails_in_time_and_the_next_up_makes_another_in_its_place(quiet: Quiet) -> None:
    bed, (first,) = quiet.bed, at_rest(quiet.bed)
    before = booted(first)
    with asking(bed) as asked:
        with silenced(bed) as silence:
            done = bed.run("region", "scale", "home", "2", "--yes", timeout=900)
            assert done.returncode == 6, done.stderr
            assert silence.node and silence.node.name == quiet.name(2)
            assert f"{silence.node.name} ({silence.node.address}): no SSH within {quiet.boot:g} s" in done.stderr
            assert "boot_timeout" in done.stderr
            waited = re.search(r"boot: failed in ([0-9.]+) s", done.stderr)
            assert waited and float(waited[1]) < quiet.boot + 10
            planned = {(action.kind, action.target) for action in bed.region.plan().actions}
            assert {("create", quiet.name(3)), ("leave", quiet.name(2))} <= planned
            began = time.monotonic()
            again = up_again(bed)
        seconds = time.monotonic() - began
    print(f"told after {waited[1]} s of {quiet.boot:g}; whole again {seconds:.0f} s later, in {len(again)} tries")
    assert f"{quiet.name(2)}: has never answered; another is made in its place" in again[0].stderr
    left = at_rest(bed)
    assert (len(left), first in left, quiet.name(2) in left) == (2, True, False)
    assert booted(first) == before
    assert_none_lost(asked)


def test_a_replacement_that_never_answers_is_followed_by_another_and_counts(quiet: Quiet) -> None:
    bed, context = quiet.bed, context_of(quiet.bed)
    (kept, lost), number = at_rest(bed), context.record.counter
    mute, fresh = quiet.name(number + 1), quiet.name(number + 2)
    loop = Loop(bed, (_CALM_HEALED_SECONDS + quiet.boot) * quiet.slow)
    try:
        with silenced(bed) as silence:
            loop.reset()
            lxc("delete", "--force", lost)
            assert "no SSH within" in loop.wait_for("failed")[1]
            assert silence.node and silence.node.name == mute
            seconds, words = loop.wait_for("done", lost)
    finally:
        loop.end()
    print(f"replaced in {seconds:.0f} s, of which {quiet.boot:g} for a machine that never answered")
    assert words == f"{fresh} took its place"
    assert at_rest(bed) == [kept, fresh]
    rows = context.store.healings.all("home")
    assert sorted((row.node, row.state) for row in rows) == [(lost, "done"), (mute, "done")]
