"""A region's move from beginning to end, killed anywhere, with regions that only seem to be there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import du_infra
from du_infra.cli.main import cli
from du_infra.control import move
from du_infra.control.context import RegionContext
from du_infra.control.traffic import minder
from du_infra.control.traffic.look import View
from du_infra.control.traffic.turn import Desk
from du_infra.control.traffic.wish import course_of, keep
from du_infra.errors import NotReady, Refused, SpecError
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.traffic import course as courses
from tests.unit.control_traffic.world import FLEET, Killed, World

FLEET_OF_MOVES = FLEET.replace(
    "  min_requests: 0\n", "  min_requests: 0\n  soak: 3s\n  weights: {a: 60, b: 40, c: 0}\n"
)


class Moves:
    """A world in which regions come up and go down at once. ``done`` is what was carried out."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.done, self.kill_at = world, list[str](), ""
        world.load = {"rps": 1.0, "cpu_percent": 1.0}
        monkeypatch.setattr(move, "region_up", self._up)
        monkeypatch.setattr(move, "region_down", self._down)
        monkeypatch.setattr(move, "region_scale", self._scale)
        monkeypatch.setattr(move, "region_status", lambda context: SimpleNamespace(ready=bool(context.record.nodes)))
        monkeypatch.setattr(move, "TrafficMinder", lambda tell, report, saw: Passes(world, saw))
        monkeypatch.setattr(move, "carry_out", lambda entrance, report: world.turn(world.desk()))
        monkeypatch.setattr(move, "time", SimpleNamespace(sleep=lambda seconds: None))
        real = move._do
        monkeypatch.setattr(move, "_do", lambda *given: self._step(real, *given))

    def _step(self, real: Any, *given: Any) -> None:
        kind = given[2].kind
        if self.kill_at == f"before {kind}":
            raise Killed
        real(*given)
        self.done.append(kind)
        if self.kill_at == f"after {kind}":
            raise Killed

    def _up(self, context: RegionContext, report: object) -> None:
        self.world.bring_up(context.name, 9)

    def _scale(self, context: RegionContext, nodes: int, report: object) -> None:
        record = context.record
        more = tuple(
            Node(f"demo-{context.name}-{n}", "1c1g", f"198.18.9.{n + 1}", joined=True) for n in range(1, nodes + 1)
        )
        context.store.save_pool(context.name, PoolRecord(record.vip, nodes, more))

    def _down(self, context: RegionContext, report: object) -> None:
        record = self.world.dns.record
        assert record is not None
        assert not (record.endpoints[context.name].given_out), "its machines go while it is given out"
        context.store.forget(context.name)

    def move(self, old: str = "a", new: str = "a2") -> move.MoveResult:
        return du_infra.load(self.world.file).move(old, "lxd", new)

    @property
    def regions(self) -> list[str]:
        return list(du_infra.load(self.world.file).spec.regions)


class Passes:
    """The minder's passes, at once: five seconds each."""

    pause = 0.5

    def __init__(self, world: World, saw: Callable[[View], None]) -> None:
        self._world, self._saw = world, saw
        self._desk: Desk | None = None

    def mind(self, entrance: object) -> None:
        self._desk = self._desk or self._world.desk()
        self._saw(self._world.turn(self._desk, 5.0))

    def close(self) -> None:
        pass


@pytest.fixture
def moves(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moves]:
    world.write(FLEET_OF_MOVES)
    world.run(world.desk(), 3)
    yield Moves(world, monkeypatch)


def test_a_region_moves_step_by_step_and_the_old_one_is_gone(moves: Moves) -> None:
    result = moves.move()
    assert moves.done == ["write", "up", "shift", "wait", "down", "forget"]
    assert (result.old, result.new, result.vip) == ("a", "a2", "198.18.9.1")
    assert moves.regions == ["a2", "b", "c"]
    spec = du_infra.load(moves.world.file).spec
    assert spec.traffic is not None and spec.traffic.weights == {"b": 40, "c": 0, "a2": 60}
    record = moves.world.dns.record
    assert record is not None
    assert {name: one.weight for name, one in record.endpoints.items()} == {"a2": 60, "b": 40, "c": 0}
    shares = [round(one.shares().get("a2", 0), 2) for one in moves.world.dns.writes]
    assert [share for share in dict.fromkeys(shares) if share] == [0.05, 0.25, 0.5, 0.6]


def test_what_fleet_yaml_says_on_the_way_holds_at_once(moves: Moves, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    class Following(Passes):
        def mind(self, entrance: Any) -> None:
            told.append(entrance.spec.ttl_seconds)
            if len(told) == 1:
                text = moves.world.file.read_text()
                moves.world.file.write_text(text.replace("  soak: 3s\n", "  soak: 3s\n  ttl: 7s\n"))
            super().mind(entrance)

    monkeypatch.setattr(move, "TrafficMinder", lambda tell, report, saw: Following(moves.world, saw))
    moves.move()
    assert told[0] != 7
    assert set(told[1:]) == {7}


STEPS = ("write", "up", "shift", "wait", "down", "forget")


@pytest.mark.parametrize("kill_at", [f"{when} {step}" for step in STEPS for when in ("before", "after")])
def test_killed_anywhere_the_same_command_goes_on(moves: Moves, kill_at: str) -> None:
    moves.kill_at = kill_at
    with pytest.raises(Killed):
        moves.move()
    moves.kill_at = ""
    if kill_at == "after forget":
        with pytest.raises(SpecError, match="it has moved"):
            moves.move()
    else:
        moves.move()
    assert moves.regions == ["a2", "b", "c"]
    assert moves.done.count("down") == 1


def test_a_new_region_that_falls_on_the_way_stops_the_move_and_the_old_one_stands(moves: Moves) -> None:
    world = moves.world
    turn_of = world.turn

    def falls(desk: Any, seconds: float = 1.0) -> View:
        view = turn_of(desk, seconds)
        if view.record and view.record.shares().get("a2", 0) >= 0.25:
            world.dies("a2")
        return view

    world.turn = falls  # type: ignore[method-assign]
    with pytest.raises(NotReady, match="has fallen") as stopped:
        moves.move()
    assert "control explain a2" in stopped.value.todo
    assert moves.regions == ["a", "a2", "b", "c"]
    assert "down" not in moves.done
    assert world.live == "ab"
    world.turn = turn_of  # type: ignore[method-assign]
    world.dies()
    assert moves.move().new == "a2"


def test_the_way_back_is_the_move_the_other_way_round(moves: Moves) -> None:
    moves.kill_at = "after shift"
    with pytest.raises(Killed):
        moves.move()
    moves.kill_at = ""
    moves.world.run(moves.world.desk(), 8)
    moves.done.clear()
    moves.move("a2", "a")
    assert moves.done == ["shift", "wait", "down", "forget"]
    assert moves.regions == ["a", "b", "c"]
    spec = du_infra.load(moves.world.file).spec
    assert spec.traffic is not None and spec.traffic.weights == {"a": 60, "b": 40, "c": 0}


def test_what_a_person_ordered_stays_so(moves: Moves) -> None:
    entrance = moves.world.entrance()
    keep(entrance, courses.shift(course_of(entrance), "a", 20), "by hand")
    moves.move()
    spec = du_infra.load(moves.world.file).spec
    assert spec.traffic is not None and spec.traffic.weights == {"b": 80, "c": 0, "a2": 20}


def test_the_new_one_has_as_many_nodes(moves: Moves) -> None:
    store = moves.world.entrance().store
    nodes = tuple(Node(f"demo-a-{n}", "1c1g", f"198.18.1.{n + 1}", joined=True) for n in (1, 2))
    store.save_pool("a", PoolRecord("198.18.1.1", 2, nodes))
    plan = du_infra.load(moves.world.file).plan_move("a", "lxd", "a2")
    assert plan.steps[1].why == "2 node(s), the services that a runs"
    moves.move()
    assert len(store.pool("a2").nodes) == 2


def test_the_command_shows_the_plan_asks_and_tells(moves: Moves) -> None:
    words = ["region", "move", "a", "--provider", "lxd", "--fleet", str(moves.world.file)]
    refused = CliRunner().invoke(cli, words)
    assert isinstance(refused.exception, Refused)
    assert "up         a-lxd  (1 node(s), the services that a runs)" in refused.stderr
    assert moves.done == []
    told = CliRunner().invoke(cli, [*words, "--yes", "--output", "json"])
    assert json.loads(told.stdout)["new"] == "a-lxd"


WRONG = {
    "unknown provider": ("a", "aws", "", "", "no driver for provider aws"),
    "no such region": ("x", "lxd", "", "", "there is no region x"),
    "the same name": ("a", "lxd", "a", "", "a name of its own"),
    "another region": ("a", "lxd", "b", "b: {provider: lxd, gateway: envoy}", "not as a is"),
    "frozen": ("a", "lxd", "", "  freeze: true", "guard freeze"),
    "alone": ("a", "lxd", "", "  gdnsd: {regions: [a]}", "its nodes alone answer DNS"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_moved_is_refused_in_words(moves: Moves, case: str) -> None:
    old, provider, new, line, words = WRONG[case]
    text = FLEET_OF_MOVES.replace("  b: {provider: lxd}", f"  {line}") if line.startswith("b") else FLEET_OF_MOVES
    moves.world.write(text + (f"{line}\n" if line.startswith(" ") else ""))
    with pytest.raises((Refused, SpecError), match=words) as refused:
        du_infra.load(moves.world.file).plan_move(old, provider, new)
    assert refused.value.todo
    assert moves.done == []


def test_without_traffic_nobody_can_be_led(moves: Moves) -> None:
    moves.world.write(FLEET.partition("traffic:")[0])
    with pytest.raises(Refused, match="has no traffic:") as refused:
        du_infra.load(moves.world.file).plan_move("a", "lxd", "a2")
    assert "docs/fleet.md" in refused.value.todo


def test_a_region_that_is_not_up_and_one_that_is_drained_or_released_to(moves: Moves) -> None:
    world, fleet = moves.world, du_infra.load(moves.world.file)
    entrance = world.entrance()
    course = course_of(entrance)
    keep(entrance, replace(course, service="hello", number=0, previous=course.number), "waves")
    with pytest.raises(Refused, match="goes through the world"):
        fleet.plan_move("a", "lxd", "a2")
    entrance.store.forget("c")
    with pytest.raises(Refused, match="is not up"):
        fleet.plan_move("c", "lxd", "c2")


def test_what_does_not_move_along_is_said_before(moves: Moves) -> None:
    text = FLEET_OF_MOVES.replace("port: 8080}", "port: 8080, volumes: {data: /var/lib/data}}")
    moves.world.write(f"{text}  addresses: {{a: 203.0.113.9}}\n  gdnsd: {{regions: [a, b]}}\n")
    notes = du_infra.load(moves.world.file).plan_move("a", "lxd", "a2").notes
    assert [note.split(":")[0] for note in notes] == [
        "hello has volumes",
        "traffic.addresses has 203.0.113.9 for a; a2 is given out with its own address",
        "nodes of a answer DNS, and those of a2 will",
    ]


def test_the_passes_are_the_minders(moves: Moves) -> None:
    """What stands in for the minder here has what the move needs of the real one."""
    real = minder.TrafficMinder(print, print, saw=print)
    assert (real.pause, callable(real.mind), callable(real.close)) == (0.5, True, True)
