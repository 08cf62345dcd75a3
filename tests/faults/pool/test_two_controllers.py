"""Two that mind one region at once: one acts, and the other says so; also where the one that acts stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.faults.pool.agree import asking, assert_clear, assert_none_lost, at_rest, context_of
from tests.region.conftest import HELLO, Bed, lxc
from tests.region.minding import Loop

pytestmark = [
    pytest.mark.lxd,
    pytest.mark.timeout(3600),
]

_CALM_UP_SECONDS = 20.0
_REPLACED_SECONDS = 60.0


@dataclass
class Pair:
    """A region of two nodes and the loops that mind it. A busy machine gets as much more time as `region up` took."""

    bed: Bed
    minute: float = _REPLACED_SECONDS
    loops: list[Loop] = field(default_factory=list)

    def up(self) -> None:
        home = "{provider: lxd, pool: {nodes: 2}, heal: {dead_after: 4s}}"
        hello = f"{{image: {HELLO}, tag: v1, port: 8080, release: {{observe: 1s}}}}"
        self.bed.write_text(f"fleet: {self.bed.name}\nregions:\n  home: {home}\nservices:\n  hello: {hello}\n")
        took = sum(self.bed.region.up().seconds.values())
        self.minute = _REPLACED_SECONDS * max(1.0, took / _CALM_UP_SECONDS)

    def mind(self) -> None:
        """Start both loops."""
        self.loops = [Loop(self.bed, self.minute), Loop(self.bed, self.minute)]

    def end(self) -> None:
        while self.loops:
            self.loops.pop().end()

    def next_name(self) -> str:
        """What the next new node will be called."""
        return f"{self.bed.name}-home-{context_of(self.bed).record.counter + 1}"

    def replaced(self, node: str) -> list[str]:
        """How the replacements of a node ended, one by one."""
        return [row.state for row in context_of(self.bed).store.healings.all("home") if row.node == node]

    def told(self, kind: str) -> list[str]:
        """What both loops have told of this kind."""
        return [line["text"] for loop in self.loops for _, line in list(loop.told) if line["kind"] == kind]

    def holder(self) -> int:
        """The process that holds, or held last, the region's lock."""
        return int(context_of(self.bed).lock.read_text())

    def wait_until(self, what: str, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.minute
        while not true():
            assert time.monotonic() < deadline, f"never: {what}; {[loop.told for loop in self.loops]}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def pair(make_bed: Callable[[], Bed]) -> Pair:
    made = Pair(make_bed())
    made.up()
    return made


@pytest.fixture
def minded(pair: Pair) -> Iterator[Pair]:
    pair.mind()
    yield pair
    pair.end()


def test_of_two_loops_one_replaces_a_lost_node_once(minded: Pair) -> None:
    (kept, lost), fresh, began = at_rest(minded.bed), minded.next_name(), time.monotonic()
    lxc("delete", "--force", lost)
    minded.wait_until("done", lambda: bool(minded.told("done")))
    minded.wait_until("well, by both", lambda: len(minded.told("well")) >= 2)
    print(f"replaced after {time.monotonic() - began:.0f} s; busy: {minded.told('busy')}")
    assert minded.told("done") == [f"{fresh} took its place"]
    assert all("is at work on region home" in words for words in minded.told("busy"))
    assert minded.told("failed") == []
    assert at_rest(minded.bed) == [kept, fresh]
    assert minded.replaced(lost) == ["done"]


def test_a_loop_that_is_frozen_with_the_lock_keeps_it_until_it_ends_and_the_other_goes_on(minded: Pair) -> None:
    (kept, lost), fresh, began = at_rest(minded.bed), minded.next_name(), time.monotonic()
    lxc("delete", "--force", lost)
    minded.wait_until("a new machine", lambda: fresh in minded.bed.instances())
    frozen = minded.holder()
    os.kill(frozen, signal.SIGSTOP)
    awake = next(loop for loop in minded.loops if loop.pid != frozen)
    awake.reset()
    words = f"process {frozen}, which is frozen"
    minded.wait_until("the frozen one is named", lambda: words in awake.wait_for("busy")[1])
    assert [line for _, line in awake.told if line["kind"] in ("done", "failed")] == []
    assert minded.bed.run("region", "scale", "home", "3", "--yes").returncode == 7
    os.kill(frozen, signal.SIGKILL)
    freed = time.monotonic()
    assert awake.wait_for("done", lost)[1] == f"{fresh} took its place"
    print(f"replaced after {time.monotonic() - began:.0f} s, {time.monotonic() - freed:.0f} s after the lock was freed")
    assert at_rest(minded.bed) == [kept, fresh]
    assert minded.replaced(lost) == ["done"]


def test_of_two_scales_at_once_one_wins_whole_and_the_other_says_who_is_at_work(pair: Pair) -> None:
    bed = pair.bed
    with asking(bed) as asked:
        both = {wanted: bed.start("region", "scale", "home", str(wanted), "--yes") for wanted in (1, 3)}
        ended = {wanted: _ended(process) for wanted, process in both.items()}
    (winner,) = [wanted for wanted, done in ended.items() if done.returncode == 0]
    loser = ended[4 - winner]
    print(f"the region has {winner}; the other said: {loser.stderr.strip().splitlines()[-2:]}")
    assert loser.returncode == 7
    assert_clear(loser)
    assert f"process {both[winner].pid}" in loser.stderr
    assert len(at_rest(bed)) == winner
    assert context_of(bed).wish.nodes == winner
    assert_none_lost(asked)


def _ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    _, words = process.communicate(timeout=900)
    return subprocess.CompletedProcess(process.args, process.returncode, "", words)
