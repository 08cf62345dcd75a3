"""A release goes through the world, wave after wave, under load that finds it by its name: a bad one, and good ones
whose command is killed on the way."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import du_infra
from tests.gtm.globe import REGIONS, Globe, minded
from tests.gtm.load import Load
from tests.region.conftest import DU

pytestmark = [pytest.mark.lxd, pytest.mark.slow, pytest.mark.timeout(2400)]

WEIGHTS = {"ams": 50, "fra": 30, "nyc": 20}
WAVES = "  waves: [[nyc], [fra], [ams]]\n  canary: [10, 100]\n  soak: 5s\n  hold: 3s\n  min_requests: 500\n"
MINUTES = 15
BAD = "errors-3-percent"


@pytest.fixture(scope="module")
def globe(world: Globe) -> Globe:
    world.settle(WEIGHTS)
    world.write(", ".join(f"{name}: {one}" for name, one in WEIGHTS.items()), WAVES)
    text = world.file.read_text()
    assert "observe: 1s" in text
    world.file.write_text(text.replace("observe: 1s", "observe: 12s, max_latency: 10"))
    return world


@contextmanager
def release(globe: Globe, tag: str) -> Iterator[subprocess.Popen[str]]:
    """The command; it has ended when the block does."""
    words = ["release", "start", "hello", tag, "--waves", "--yes", "--fleet", str(globe.file)]
    with subprocess.Popen([*DU, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def served(globe: Globe) -> dict[str, str]:
    """What each region serves, by its node's own word."""
    found = {}
    for name in REGIONS:
        (row,) = json.loads(globe.on(name, "du-node", "status"))["services"]
        found[name] = row["tag"]
    return found


def releases(globe: Globe, region: str, tag: str) -> list[dict[str, Any]]:
    """The region's releases of this tag, as the user sees them."""
    done = globe.bed.run("release", "list", "--region", region, "--output", "json")
    assert done.returncode == 0, done.stderr
    return [one for one in json.loads(done.stdout) if one["release"].startswith(f"{tag}-")]


def until_the_second_wave(globe: Globe, process: subprocess.Popen[str], tag: str, before: int) -> None:
    """Until fra is getting it, which had ``before`` releases of it; the command must not end meanwhile."""

    def begun() -> bool:
        return process.poll() is not None or len(releases(globe, "fra", tag)) > before

    globe.until(begun, 60 * MINUTES, "the second wave begins")
    assert process.poll() is None, process.communicate()[1]
    assert served(globe)["nyc"] == tag


def told(load: Load) -> str:
    failed = sum(not one.ok for one in load.requests)
    return f"{failed} of {len(load.requests)} requests failed; {len(load.wrong)} of {len(load.answers)} answers wrong"


def weights(globe: Globe) -> dict[str, int]:
    return {name: one.weight for name, one in globe.record().endpoints.items()}


def test_a_bad_version_is_stopped_in_the_first_wave_and_the_others_never_hear_of_it(globe: Globe) -> None:
    before = {name: len(releases(globe, name, BAD)) for name in REGIONS}
    began = time.monotonic()
    with globe.load(clients=300).running() as load, release(globe, BAD) as process:
        _, words = process.communicate(timeout=60 * MINUTES)
        ended = time.monotonic()
        time.sleep(4)
    print(f"\nstopped and everything as before after {ended - began:.0f} s; {told(load)}")
    assert process.returncode == 6, words
    assert "nyc" in words and f"{BAD} answered 5xx" in words
    assert served(globe) == dict.fromkeys(REGIONS, "v1")
    assert weights(globe) == WEIGHTS
    heard = {name: len(releases(globe, name, BAD)) - before[name] for name in REGIONS}
    assert heard == {"nyc": 1, "fra": 0, "ams": 0}
    assert load.wrong == []
    failed = {one.address for one in load.requests if not one.ok}
    assert failed <= {globe.addresses["nyc"]}
    assert sum(not one.ok for one in load.requests) < 0.05 * len(load.requests)


def test_a_good_version_goes_through_all_waves_though_its_command_is_killed_in_the_second(globe: Globe) -> None:
    began = time.monotonic()
    with globe.load(clients=300).running() as load:
        with release(globe, "v2") as process:
            until_the_second_wave(globe, process, "v2", 0)
        killed = time.monotonic()
        assert served(globe)["ams"] == "v1"
        with release(globe, "v2") as again:
            _, words = again.communicate(timeout=60 * MINUTES)
        ended = time.monotonic()
        assert again.returncode == 0, words
        time.sleep(4)
    print(f"\nto the kill {killed - began:.0f} s, then {ended - killed:.0f} s; {told(load)}")
    assert served(globe) == dict.fromkeys(REGIONS, "v2")
    assert weights(globe) == WEIGHTS
    assert load.wrong == []
    assert [one for one in load.requests if not one.ok] == []
    assert du_infra.load(globe.file).region("ams").status().ready


def test_a_loop_goes_on_where_the_command_was_killed_and_nobody_says_it_again(globe: Globe) -> None:
    began = time.monotonic()
    with minded(globe) as loop, globe.load(clients=300).running() as load:
        before = len(releases(globe, "fra", "v1"))
        with release(globe, "v1") as process:
            until_the_second_wave(globe, process, "v1", before)
        killed = time.monotonic()
        globe.until(lambda: bool(loop.said("resume", killed)), 60, "the loop goes on")
        resumed = time.monotonic()
        globe.until(lambda: any("every wave" in one for one in loop.said("done")), 60 * MINUTES, "the loop ends it")
        ended = time.monotonic()
        time.sleep(4)
    print(f"\nto the kill {killed - began:.0f} s, then {resumed - killed:.0f} s, then {ended - resumed:.0f} s")
    print(told(load))
    assert served(globe) == dict.fromkeys(REGIONS, "v1")
    assert weights(globe) == WEIGHTS
    assert load.wrong == []
    assert [one for one in load.requests if not one.ok] == []
