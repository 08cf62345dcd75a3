"""A provider that fails half of its calls: the same command again gets there, and nothing is lost or left over."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest

from tests.faults.pool.agree import EXIT_CODES, asking, assert_clear, assert_none_lost, at_rest, context_of
from tests.faults.pool.flaky import FlakyProvider, flaky
from tests.region.conftest import HELLO, Bed, lxc
from tests.region.machine import booted

pytestmark = [
    pytest.mark.lxd,
    pytest.mark.timeout(3600),
]

_TRIES = 25
TROUBLES = ((1, 0.0), (2, 0.0), (3, 0.0), (4, 0.0), (5, 0.03))
"""Seeds, and the share of the calls that fail though they only read: a command makes a hundred of them."""


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    bed = make_bed()
    home = "{provider: lxd, heal: {dead_after: 1s}}"
    hello = f"{{image: {HELLO}, tag: v1, port: 8080, release: {{observe: 1s}}}}"
    bed.write_text(f"fleet: {bed.name}\nregions:\n  home: {home}\nservices:\n  hello: {hello}\n")
    bed.region.up()
    return bed


def again_and_again(provider: FlakyProvider, bed: Bed, *verbs: str) -> list[subprocess.CompletedProcess[str]]:
    """The same command until it succeeds; every time it does not, it says so as it should."""
    tries: list[subprocess.CompletedProcess[str]] = []
    while len(tries) < _TRIES:
        tries.append(provider.run(bed, *verbs))
        if tries[-1].returncode == 0:
            return tries
        print(f"{tries[-1].returncode}: {' | '.join(tries[-1].stderr.strip().splitlines()[-3:])}", flush=True)
        assert_clear(tries[-1])
    raise AssertionError(f"not within {_TRIES} tries: {[done.stderr for done in tries]}")


@pytest.mark.parametrize(("seed", "reads"), TROUBLES)
def test_a_region_grows_and_shrinks_in_the_end_and_no_request_is_lost(bed: Bed, seed: int, reads: float) -> None:
    (first,) = at_rest(bed)
    before, began = booted(first), time.monotonic()
    with flaky(seed, reads=reads) as provider, asking(bed) as asked:
        grown = again_and_again(provider, bed, "region", "scale", "home", "2", "--yes")
        two, middle = at_rest(bed), time.monotonic()
        shrunk = again_and_again(provider, bed, "region", "scale", "home", "1", "--yes")
    print(
        f"seed {seed}: 1 → 2 in {len(grown)} tries and {middle - began:.0f} s, 2 → 1 in {len(shrunk)} and "
        f"{time.monotonic() - middle:.0f} s; calls: {dict(provider.fates)}, {provider.unread} not read; "
        f"{asked.ok} requests"
    )
    assert (len(two), first in two) == (2, True)
    assert at_rest(bed) == [first]
    assert booted(first) == before
    assert_none_lost(asked)
    assert provider.failed + provider.unread > 0
    assert reads or not provider.unread


def test_a_node_that_is_lost_is_replaced_in_the_end_and_once(bed: Bed) -> None:
    assert bed.run("region", "scale", "home", "2", "--yes", timeout=900).returncode == 0
    kept, lost = at_rest(bed)
    healings, began, passes = context_of(bed).store.healings, time.monotonic(), 0
    with flaky(99) as provider, asking(bed) as asked:
        lxc("delete", "--force", lost)
        while {row.state for row in healings.all("home")} != {"done"}:  # what is lost on the way is replaced, too
            done = provider.run(bed, "control", "run", "--once")
            passes += 1
            print(f"pass {passes}: {done.returncode}: {done.stdout.strip()}", flush=True)
            assert "Traceback" not in done.stderr, done.stderr
            assert done.returncode == 0 or done.returncode in EXIT_CODES, done.stderr
            assert passes < _TRIES, f"{done.stdout}\n{done.stderr}"
    seconds = time.monotonic() - began
    print(f"replaced after {passes} passes, {seconds:.0f} s; calls: {dict(provider.fates)}; {asked.ok} requests")
    assert (len(at_rest(bed)), kept in at_rest(bed)) == (2, True)
    assert provider.failed > 0
