"""Two releases of one service at once: the second is told who is at work, and the first is not disturbed."""

from __future__ import annotations

import pytest

from bench.load.runner import Load
from tests.faults.choice import stages
from tests.faults.stage import LOAD, Stage, lines_of
from tests.faults.steps import step

pytestmark = pytest.mark.lxd


@pytest.mark.parametrize("stage", stages(), indirect=True, ids="-".join)
def test_the_second_is_told_who_is_at_work_and_the_first_ends_well(stage: Stage) -> None:
    tag = stage.next_tag()
    with Load(stage.vip, LOAD) as load:
        process = stage.release(tag)
        with lines_of(process) as lines:
            assert any(step("observe canary").line.search(line.rstrip()) for line in lines)
            second = stage.bed.run("release", "start", "hello", "v1" if tag != "v1" else "v2", "--yes")
            back = stage.verb("rollback")
            rest = "".join(lines)
            assert process.wait(60) == 0, rest
        row = stage.settle()
    for refused in (second, back):
        assert refused.returncode == 7, refused.stderr
        assert str(process.pid) in refused.stderr
    assert row["tag"] == tag
    assert load.report.lost == 0, str(load.report)
