"""A failure that the provider gets over: what is left of the plan is tried once more, and no more than it."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from du_infra.engines.terraform import Binary, Workspace
from du_infra.engines.terraform.plan import Change, Plan
from du_infra.errors import EngineFailed

ONE, TWO = (Change(f'node["a-{n}"]', "create", f"a-{n}") for n in (1, 2))
PASSING = EngineFailed("terraform apply failed", detail="The source server isn't listening on the network (a-1)")


def workspace(folder: Path, left: Plan, *answers: Exception | None) -> tuple[Workspace, Mock]:
    made = Workspace(folder, Binary(Path("terraform"), "terraform", ""), {})
    made.plan = Mock(return_value=left)  # type: ignore[method-assign]
    made._apply = apply = Mock(side_effect=answers)  # type: ignore[method-assign]
    return made, apply


def test_what_is_left_is_tried_once_more(tmp_path: Path) -> None:
    made, apply = workspace(tmp_path, Plan((ONE,)), PASSING, None)
    made.apply(Plan((ONE, TWO)))
    assert apply.call_count == 2


@pytest.mark.parametrize("left", [Plan((Change(ONE.address, "replace", "a-1"),)), Plan((Change("x", "delete", "x"),))])
def test_what_nobody_looked_at_is_not_done(tmp_path: Path, left: Plan) -> None:
    made, apply = workspace(tmp_path, left, PASSING)
    with pytest.raises(EngineFailed):
        made.apply(Plan((ONE, TWO)))
    assert apply.call_count == 1


@pytest.mark.parametrize("answers", [(EngineFailed("no", detail="disk full"),), (PASSING, PASSING)])
def test_another_failure_and_a_second_one_are_told(tmp_path: Path, answers: tuple[Exception, ...]) -> None:
    made, apply = workspace(tmp_path, Plan((ONE,)), *answers)
    with pytest.raises(EngineFailed):
        made.apply(Plan((ONE, TWO)))
    assert apply.call_count == len(answers)
