"""Something is killed at a step of a release under load: nothing is lost, and one version serves in the end."""

from __future__ import annotations

import pytest

from tests.faults.case import Case, check, play
from tests.faults.choice import cases
from tests.faults.stage import Stage

pytestmark = pytest.mark.lxd


@pytest.mark.parametrize(
    ("stage", "case"),
    cases(),
    indirect=["stage"],
    ids=lambda one: "-".join(one) if isinstance(one, tuple) else str(one),
)
def test_nothing_is_lost_and_one_ready_version_is_left(stage: Stage, case: Case) -> None:
    ended = play(stage, case)
    print(f"{case}: {'forward' if ended.forward else 'back'} in {ended.seconds:.1f} s, {ended.report}")
    check(stage, case, ended)
