"""Something is killed at a step of a release under load: nothing is lost, and one version serves in the end."""

from __future__ import annotations

import pytest

from tests.faults.case import Case, check, play
from tests.faults.choice import cases, concerns
from tests.faults.stage import Stage

pytestmark = pytest.mark.lxd


@pytest.mark.parametrize("case", cases(), ids=str)
def test_nothing_is_lost_and_one_ready_version_is_left(stage: Stage, case: Case) -> None:
    if not concerns(case.fault, stage.runtime, stage.gateway):
        pytest.skip(f"{stage.runtime} and {stage.gateway} have none")
    ended = play(stage, case)
    print(f"{case}: {'forward' if ended.forward else 'back'} in {ended.seconds:.1f} s, {ended.report}")
    check(stage, case, ended)
