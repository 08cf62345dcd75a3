"""`du-infra node` and `region scale`: a node names its region, the plan is shown, and somebody is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from du_infra.cli.main import cli
from du_infra.control.node.desk import NodeResult
from du_infra.control.region_plan import Action, RegionPlan
from du_infra.control.up import UpResult
from du_infra.fleet import Region
from du_infra.health.state import NodeStatus
from tests.unit.cli.test_main import du_infra

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd}\n  home-2: {provider: lxd}\nservices: {}\n"
PLAN = RegionPlan("home", (Action("leave", "demo-home-2", "1 node(s) are asked for"),), ("a note",))
UP = UpResult("home", "198.18.1.1", ("demo-home-1",), {}, "c1", 0, False, {})


def done(region: Region, node: str, what: str) -> NodeResult:
    return NodeResult(region.name, node, what, 2, ("demo-home-1",))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """What the library was asked for: region, verb, and how."""
    calls: list[tuple[str, str, dict[str, Any]]] = []

    def fake(verb: str, answer: Any) -> None:
        def call(self: Region, *given: Any, **more: Any) -> Any:
            more.pop("report", None)
            calls.append((self.name, f"{verb} {' '.join(map(str, given))}".strip(), more))
            return answer(self, given[0]) if callable(answer) else answer

        monkeypatch.setattr(Region, verb, call)

    for verb in ("drain", "undrain", "remove", "reboot"):
        fake(verb, lambda region, node: done(region, node, "done"))
    for verb in ("plan_scale", "plan_remove", "plan_replace"):
        fake(verb, PLAN)
    for verb in ("scale", "replace"):
        fake(verb, UP)
    nodes = (
        NodeStatus("demo-home-1", "198.18.1.2", True, 100, 1024, 4, front=True, load={"rps": 12.4, "cpu_percent": 3}),
        NodeStatus("demo-home-2", "198.18.1.3", True, 100, 1024, 4, state="leaving", why="no answer"),
    )
    monkeypatch.setattr(Region, "nodes", lambda self: nodes if self.name == "home" else ())
    return calls


def run(fleet: Path, *words: str) -> Any:
    return CliRunner().invoke(cli, [*words, "--fleet", str(fleet / "fleet.yaml")])


def test_the_region_is_found_by_the_nodes_name(fleet: Path, asked: list[Any]) -> None:
    assert run(fleet, "node", "undrain", "demo-home-2").exit_code == 0
    assert run(fleet, "node", "undrain", "demo-home-2-2").exit_code == 0
    assert [(region, what) for region, what, _ in asked] == [
        ("home", "undrain demo-home-2"),
        ("home-2", "undrain demo-home-2-2"),
    ]


@pytest.mark.parametrize("verb", ["drain", "undrain", "remove", "replace", "reboot"])
def test_a_name_that_no_region_gives_out_is_a_mistake(fleet: Path, verb: str) -> None:
    told = du_infra("node", verb, "other-home-1", folder=fleet)
    assert told.returncode == 2
    assert "demo-<region>-<number>" in told.stderr
    assert [p.name for p in fleet.iterdir()] == ["fleet.yaml"]


@pytest.mark.parametrize("verb", ["drain", "undrain", "remove", "replace", "reboot"])
def test_a_region_that_is_not_up_has_no_nodes_and_nothing_is_left_behind(fleet: Path, verb: str) -> None:
    yes = () if verb in ("drain", "undrain") else ("--yes",)
    told = du_infra("node", verb, "demo-home-1", *yes, folder=fleet)
    assert told.returncode == 4
    assert "region up home" in told.stderr
    assert {p.name for p in fleet.iterdir()} <= {"fleet.yaml", ".du"}


@pytest.mark.parametrize("verb", ["drain", "undrain", "leave"])
def test_verbs_that_ask_nothing_take_yes_as_their_kin_do(
    fleet: Path, asked: list[Any], verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Region, "leave", lambda region, node, **more: done(region, node, "left"))
    assert run(fleet, "node", verb, "demo-home-2", "--yes").exit_code == 0


def test_for_programs_an_error_is_one_object_on_stderr(fleet: Path) -> None:
    told = du_infra("node", "drain", "demo-home-1", "--output", "json", folder=fleet)
    error = json.loads(told.stderr.splitlines()[-1])
    assert told.stdout == ""
    assert error["exit_code"] == told.returncode == 4
    assert (error["kind"], error["what"], error["where"]) == ("Refused", "the region is not up", "region home")
    assert "region up home" in error["todo"]
    wrong = du_infra("region", "status", "--output=json", folder=fleet)
    error = json.loads(wrong.stderr)
    assert (error["kind"], error["exit_code"], wrong.returncode) == ("SpecError", 2, 2)
    assert "NAME" in error["what"]


def test_drain_says_what_was_cut_and_passes_its_options_on(fleet: Path, asked: list[Any]) -> None:
    told = run(fleet, "node", "drain", "demo-home-2", "--cut-after", "5", "--force", "--output", "json")
    assert json.loads(told.stdout) == {
        "region": "home",
        "node": "demo-home-2",
        "done": "done",
        "cut": 2,
        "nodes": ["demo-home-1"],
    }
    assert asked == [("home", "drain demo-home-2", {"cut_after": 5.0, "force": True})]
    assert "2 connection(s) were cut" in run(fleet, "node", "drain", "demo-home-2").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("node", "remove", "demo-home-2"),
        ("node", "replace", "demo-home-2"),
        ("node", "reboot", "demo-home-2"),
        ("region", "scale", "home", "1"),
    ],
)
def test_nothing_is_destroyed_or_rebooted_where_nobody_can_be_asked(
    fleet: Path, asked: list[Any], words: tuple[str, ...]
) -> None:
    told = run(fleet, *words)
    assert told.exit_code != 0
    assert not [what for _, what, _ in asked if not what.startswith("plan")]
    assert run(fleet, *words, "--yes").exit_code == 0
    assert [what for _, what, _ in asked if not what.startswith("plan")] == [" ".join([words[1], words[-1]])]


def test_the_plan_is_shown_before_anybody_is_asked(fleet: Path, asked: list[Any]) -> None:
    told = run(fleet, "region", "scale", "home", "1", "--yes")
    assert "leave      demo-home-2  (1 node(s) are asked for)" in told.stderr
    assert "note       a note" in told.stderr
    assert "Region home is ready: 1 node(s)" in told.stdout


@pytest.mark.parametrize(("nodes", "code"), [("0", 2), ("51", 4)])
def test_a_number_that_cannot_be_is_refused_before_anything_is_done(fleet: Path, nodes: str, code: int) -> None:
    told = du_infra("region", "scale", "home", nodes, "--yes", folder=fleet)
    assert told.returncode == code
    assert [p.name for p in fleet.iterdir()] == ["fleet.yaml"]


@pytest.mark.usefixtures("asked")
def test_list_shows_state_holder_and_load_for_people_and_programs(fleet: Path) -> None:
    told = run(fleet, "node", "list").stdout
    assert "ready · VIP" in told
    assert "leaving" in told
    assert "12 /s" in told
    rows = json.loads(run(fleet, "node", "list", "home", "--output", "json").stdout)
    assert [(row["region"], row["name"], row["state"]) for row in rows] == [
        ("home", "demo-home-1", ""),
        ("home", "demo-home-2", "leaving"),
    ]
