"""A drain that is refused: nothing that would follow happens, the node serves on, and it can be gone on with.

The tests build on one another, top to bottom.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from du_infra.control.observe import http_get
from tests.faults.pool.agree import asking, assert_none_lost, at_rest, context_of
from tests.faults.shell import node_run
from tests.faults.stage import lines_of
from tests.region.conftest import Bed
from tests.region.machine import booted

pytestmark = [
    pytest.mark.lxd,
    pytest.mark.timeout(3600),
]

_STATE = "/var/lib/du-node"
_WORDS = "Read-only file system"


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    bed = make_bed()
    bed.write(nodes=2)
    bed.region.up()
    return bed


@contextmanager
def read_only(node: str) -> Iterator[None]:
    """du-node can write nothing down there: it refuses before it has begun."""
    node_run(node, f"mount --bind {_STATE} {_STATE} && mount -o remount,ro,bind {_STATE}")
    try:
        yield
    finally:
        node_run(node, f"umount {_STATE}")


def serves(bed: Bed, node: str) -> None:
    """It is there, and answers whoever asks it."""
    address = context_of(bed).record.named(node).address
    assert http_get(address, "/", timeout=5)[0] == 200
    assert node in bed.instances()


def state_of(bed: Bed, node: str) -> str:
    return context_of(bed).record.named(node).state


def assert_refused(done: subprocess.CompletedProcess[str], node: str, words: str) -> None:
    """Exit code 5 and the node's own words, and nothing of what comes after the drain was begun."""
    assert done.returncode == 5, done.stderr
    assert f"Error: {node}: " in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "go on without" not in done.stderr
    assert "destroying" not in done.stderr


def test_a_scale_ends_before_anything_is_lost_and_the_node_can_be_taken_back(bed: Bed) -> None:
    both = at_rest(bed)
    before = [booted(name) for name in both]
    with asking(bed) as asked:
        with read_only(both[0]), read_only(both[1]):  # whichever is chosen
            done = bed.run("region", "scale", "home", "1", "--yes", timeout=900)
            (going,) = context_of(bed).record.going
            assert_refused(done, going, _WORDS)
            serves(bed, going)
        assert state_of(bed, going) == "leaving"
        back = bed.run("region", "scale", "home", "2", "--yes")
    assert back.returncode == 0, back.stderr
    assert_none_lost(asked)
    assert at_rest(bed) == both
    assert [booted(name) for name in both] == before


def test_a_removal_ends_before_anything_is_lost_and_the_same_command_ends_it(bed: Bed) -> None:
    stays, going = at_rest(bed)
    with asking(bed) as asked:
        with read_only(going):
            done = bed.run("node", "remove", going, "--yes", timeout=900)
            assert_refused(done, going, _WORDS)
            serves(bed, going)
        assert state_of(bed, going) == "leaving"
        again = bed.run("node", "remove", going, "--yes", timeout=900)
    assert again.returncode == 0, again.stderr
    assert_none_lost(asked)
    assert at_rest(bed) == [stays]


def test_the_only_node_stays_beside_the_one_that_replaces_it_until_it_can_be_drained(bed: Bed) -> None:
    (old,) = at_rest(bed)
    with asking(bed) as asked:
        process = bed.start("node", "replace", old, "--yes")
        with lines_of(process) as lines:
            said = [next(line for line in lines if line.rstrip().endswith("  services"))]  # it knows the new one by now
            with read_only(old):
                said += lines
                done = subprocess.CompletedProcess(process.args, process.wait(900), "", "".join(said))
                assert_refused(done, old, _WORDS)
                serves(bed, old)
                assert len(bed.instances()) == 2
                assert state_of(bed, old) == "leaving"
        again = bed.run("region", "up", "home", timeout=900)
    assert again.returncode == 0, again.stderr
    assert_none_lost(asked)
    assert (len(at_rest(bed)), old in at_rest(bed)) == (1, False)
