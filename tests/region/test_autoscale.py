"""A real region under a bounded load grows by its own measures, and shrinks when most of the load is gone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.region.conftest import HELLO, Bed
from tests.region.du_node_bed import Load

pytestmark = [pytest.mark.lxd, pytest.mark.slow]

FLEET = """fleet: {name}
regions:
  home:
    provider: lxd
    pool: {{min: 1, max: 2, autoscale: {{rps: 20, up_after: 0s, down_after: 10s, cooldown: 0s}}}}
services:
  hello: {{image: {image}, tag: v1, port: 8080, release: {{observe: 1s}}}}
"""


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Iterator[Bed]:
    made = make_bed()
    made.write_text(FLEET.format(name=made.name, image=HELLO))
    made.region.up()
    yield made


def passes(bed: Bed, want: int, seconds: float) -> list[str]:
    """Passes of the autoscaler until the region has ``want`` nodes; what each said."""
    said = []
    deadline = time.monotonic() + seconds
    while True:
        found = bed.region.autoscale()
        said.append(str(found.decision))
        if found.up and found.decision.want == want:
            return said
        assert time.monotonic() < deadline, said
        time.sleep(5)


def test_a_region_grows_under_load_and_shrinks_with_little_and_loses_no_request(bed: Bed) -> None:
    vip = bed.region.status().vip
    with Load(vip, clients=4, pause=0.05) as load:
        grown = passes(bed, 2, 90)
        assert len(bed.instances()) == 2
        time.sleep(2)
    assert "each node" in grown[-1]
    assert "1 → 2" in grown[-1]
    assert not load.failed, load.failed
    assert len(load.releases) == 1
    with Load(vip, clients=1, pause=0.3) as few:
        shrunk = passes(bed, 1, 240)
    assert "2 → 1" in shrunk[-1]
    assert few.ok > 20
    assert not few.failed, few.failed
    assert len(bed.instances()) == 1


def test_the_command_says_what_and_why(bed: Bed) -> None:
    done = bed.run("autoscale", "home", "--once", "--output", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["nodes"], told["want"], told["applied"]) == (1, 1, False)
    assert told["why"]
    assert set(told["measured"]) == {"silent", "cpu", "memory", "pressure", "rps", "p95"}
