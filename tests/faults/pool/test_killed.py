"""The controller gets a SIGKILL at a step of growing or shrinking, under load, and somebody goes on or goes back.

Nothing is lost, the nodes that stay are not touched, and what stands in the end is what was asked for last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import pytest

from bench.load.runner import Load
from tests.faults.choice import ALL
from tests.faults.pool.agree import SHORT
from tests.faults.pool.stage import PoolStage
from tests.faults.pool.steps import GROW, SHRINK
from tests.faults.stage import lines_of
from tests.faults.steps import Step
from tests.region.conftest import Bed, kill_group

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(3600)]

FEW, MANY = 2, 3
Then = Literal["again", "up", "back"]


@dataclass(frozen=True)
class Case:
    """From some nodes to others, killed at a step; ``then`` the same is said again, or `region up`, or the reverse."""

    way: Literal["grow", "shrink"]
    step: Step
    then: Then

    def __str__(self) -> str:
        return f"{self.way}-{self.step.name.replace(' ', '-')}-{self.then}"

    @property
    def numbers(self) -> tuple[int, int]:
        return (FEW, MANY) if self.way == "grow" else (MANY, FEW)


def cases() -> list[Case]:
    """Every step, in an order in which one case mostly ends where the next begins; or the short choice."""
    if not ALL:
        return [Case("grow", GROW[8], "up"), Case("shrink", SHRINK[4], "back")]
    return [*_pairs("again"), *_pairs("up"), *_alone("grow"), *_alone("shrink")]


def _pairs(then: Then) -> Iterator[Case]:
    for index, step in enumerate(GROW):
        yield Case("grow", step, then)
        yield Case("shrink", SHRINK[index % len(SHRINK)], then)


def _alone(way: Literal["grow", "shrink"]) -> Iterator[Case]:
    yield from (Case(way, step, "back") for step in (GROW if way == "grow" else SHRINK))


@pytest.fixture(scope="module")
def stage(make_bed: Callable[[], Bed]) -> PoolStage:
    """Two nodes."""
    stage = PoolStage(make_bed())
    stage.up(FEW)
    return stage


@pytest.mark.parametrize("case", cases(), ids=str)
def test_nothing_is_lost_and_what_was_asked_for_last_stands(stage: PoolStage, case: Case) -> None:
    before, after = case.numbers
    stage.have(before)
    stay = stage.marks()
    with Load(stage.vip, SHORT) as load:
        _kill(stage, case, after)
        wanted = before if case.then == "back" else after
        done = stage.bed.run("region", "up", "home") if case.then == "up" else stage.scale(wanted)
        assert done.returncode == 0, done.stderr
        stage.settle(wanted)
    print(f"{case}: {load.report}")
    untouched = stay.items() & stage.marks().items()
    assert len(untouched) >= min(before, after)
    assert load.report.requests > 50
    assert load.report.lost == 0, str(load.report)


def _kill(stage: PoolStage, case: Case, nodes: int) -> None:
    process = stage.bed.start("region", "scale", "home", str(nodes), "--yes")
    said = []
    with lines_of(process) as lines:
        for line in lines:
            said.append(line)
            if case.step.line.search(line.rstrip()):
                kill_group(process)
                return
    raise AssertionError(f"it never came to the step {case.step}:\n{''.join(said)}")
