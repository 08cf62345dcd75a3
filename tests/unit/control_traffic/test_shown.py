"""What the status page and the metrics are told of the entrance."""

from __future__ import annotations

import pytest

from du_infra.control.decision import Decision
from du_infra.control.traffic.shown import traffic_seen
from du_infra.control.watching import Eyes
from du_infra.health.heal import CONTROLLER
from du_infra.seeing.board import Board
from tests.unit.control_traffic.test_minder import Bed
from tests.unit.control_traffic.world import NAME, World


def test_weights_shares_and_votes_are_shown_as_a_pass_found_them(world: World) -> None:
    desk = world.desk()
    world.run(desk, 3)
    world.dies("b")
    world.run(desk, 8)
    seen = traffic_seen(world.turn(desk))
    assert (seen.name, seen.frozen, set(seen.entries)) == (NAME, False, {"a", "b", "c"})
    dead = seen.entries["b"]
    assert (dead.up, dead.share, dead.votes[CONTROLLER]) == (False, 0.0, False)
    assert "down by" in dead.why
    assert seen.entries["a"].share == pytest.approx(0.5, abs=0.02)
    assert seen.entries["a"].votes["b"] is None  # nobody hears from it


def test_the_minder_fills_the_board_and_its_decisions_are_about_traffic(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board()
    bed = Bed(world, monkeypatch)
    eyes = Eyes(board)
    bed.minder._saw = eyes.entrance
    bed.run(5)
    shown = board.snapshot().traffic
    assert shown is not None
    assert {name: one.up for name, one in shown.entries.items()} == dict.fromkeys("abc", True)
    told: list[Decision] = bed.told
    assert {one.about for one in told} == {"traffic"}
    for one in told:
        eyes.told(one)
    assert board.snapshot().errors == 0
    eyes.entrance(None)
    assert board.snapshot().traffic is None
