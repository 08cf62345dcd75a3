"""`region reboot` and `region upgrade` show their plan, say what it costs, and tell how each turn ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from du_infra.cli.main import cli
from du_infra.control.node.desk import NodeResult
from du_infra.control.region_plan import Action, RegionPlan
from du_infra.control.rounds import RoundResult, Turn
from du_infra.fleet import Region
from du_infra.health.state import NodeStatus
from tests.unit.cli.test_main import du_infra

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd}\nservices: {}\n"
NODES = tuple(NodeStatus(f"demo-home-{n}", f"198.18.1.{n}", True, 100, 1024, 4) for n in (1, 2))
NOTE = "goes on with the reboot that ann@desk began at 2026-01-31 12:00"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


class Asked:
    """What the library was asked for, and what it tells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nodes = NODES
        self.calls: list[tuple[str, dict[str, Any]]] = []
        for verb in ("reboot", "upgrade"):
            monkeypatch.setattr(Region, f"{verb}_all", self._round(verb))
        monkeypatch.setattr(Region, "upgrade", self._upgrade)
        monkeypatch.setattr(Region, "plan_round", lambda region, kind, **more: self.plan(kind))
        monkeypatch.setattr(Region, "nodes", lambda region: self.nodes)

    def plan(self, kind: Any) -> RegionPlan:
        actions = [Action(kind, node.name, "one after the other") for node in reversed(self.nodes)]
        return RegionPlan("home", tuple(actions), (NOTE,))

    def _round(self, verb: Any) -> Any:
        def call(region: Region, *, report: Any, **more: Any) -> RoundResult:
            self.calls.append((verb, more))
            return RoundResult("home", verb, (Turn("demo-home-1", "done", 2),), ("demo-home-2",))

        return call

    def _upgrade(self, node: str, *, report: Any, **more: Any) -> NodeResult:
        self.calls.append((node, more))
        return NodeResult("home", node, "upgraded, rebooted", 0, ("demo-home-1", "demo-home-2"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def run(fleet: Path, *words: str, say: str | None = None) -> Any:
    return CliRunner().invoke(cli, [*words, "--fleet", str(fleet / "fleet.yaml")], input=say)


@pytest.mark.parametrize("verb", ["reboot", "upgrade"])
def test_the_plan_comes_first_and_each_turn_is_told(fleet: Path, asked: Asked, verb: str) -> None:
    told = run(fleet, "region", verb, "home", "--yes")
    assert f"{verb:<10} demo-home-2  (one after the other)" in told.stderr
    assert f"note       {NOTE}" in told.stderr
    assert "demo-home-1: done; 2 connection(s) were cut" in told.stdout
    assert "every node has had its turn; demo-home-2 before" in told.stdout


@pytest.mark.parametrize("verb", ["reboot", "upgrade"])
def test_options_are_passed_on_and_programs_get_json(fleet: Path, asked: Asked, verb: str) -> None:
    told = run(fleet, "region", verb, "home", "--yes", "--cut-after", "5", "--force", "--output", "json")
    assert json.loads(told.stdout) == {
        "region": "home",
        "kind": verb,
        "nodes": [{"node": "demo-home-1", "done": "done", "cut": 2}],
        "before": ["demo-home-2"],
    }
    assert asked.calls == [(verb, {"cut_after": 5.0, "force": True})]


@pytest.mark.parametrize("words", [("region", "reboot", "home"), ("region", "upgrade", "home")])
def test_nothing_is_done_where_nobody_can_be_asked(fleet: Path, asked: Asked, words: tuple[str, ...]) -> None:
    assert run(fleet, *words).exit_code != 0
    assert asked.calls == []


@pytest.mark.parametrize(
    ("alone", "words"),
    [
        (False, "Upgrade demo-home-2, demo-home-1 in this order? The others take the requests"),
        (True, "Upgrade demo-home-1? Nobody answers meanwhile."),
    ],
)
def test_the_question_says_who_answers_meanwhile(
    fleet: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch, alone: bool, words: str
) -> None:
    asked.nodes = NODES[:1] if alone else NODES
    questions: list[str] = []
    monkeypatch.setattr("du_infra.cli.region.rounds.confirm", lambda question, yes: questions.append(question))
    assert run(fleet, "region", "upgrade", "home").exit_code == 0
    assert words in questions[0]


def test_a_single_node_is_upgraded_by_its_name(fleet: Path, asked: Asked) -> None:
    told = run(fleet, "node", "upgrade", "demo-home-2", "--yes", "--cut-after", "5")
    assert "demo-home-2: upgraded, rebooted" in told.stdout
    assert asked.calls == [("demo-home-2", {"cut_after": 5.0, "force": False})]


@pytest.mark.parametrize("words", [("region", "reboot", "home"), ("region", "upgrade", "home")])
def test_a_region_that_is_not_up_is_refused_in_one_line(fleet: Path, words: tuple[str, ...]) -> None:
    told = du_infra(*words, "--yes", folder=fleet)
    assert told.returncode == 4
    assert "region up home" in told.stderr
    assert "Traceback" not in told.stderr
