"""`du-infra release`: options that are checked at once, JSON with stable keys, text that a person can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from du_infra.cli.main import cli
from du_infra.cli.options import seconds
from du_infra.cli.release import start
from du_infra.cli.release.shared import carried_out
from du_infra.cli.release_view import show_history, show_plan, show_result, show_standings
from du_infra.control.release.past import NodeStanding, Standing
from du_infra.control.release.result import ReleaseResult
from du_infra.errors import NotReady
from du_infra.release.aim import Aim
from du_infra.release.options import overridden
from du_infra.release.outline import outline
from du_infra.release.state import Holder, Rollout
from tests.unit.cli.test_main import FLEET, du_infra
from tests.unit.release.records import WAY, record, report, rollout, row

V1, V2 = record("v1-a"), record("v2-b")
DONE = rollout("done", "v2-b", "v1-a", ended=13.5, nodes={"n1": {"serves": "v2-b", "report": {"requests": 0}}})


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


@pytest.mark.parametrize("verb", ["status", "list", "abort", "resume", "promote"])
def test_a_region_that_is_not_up_is_looked_at_without_leaving_anything(fleet: Path, verb: str) -> None:
    done = du_infra("release", verb, folder=fleet)
    assert done.returncode == (0 if verb in ("status", "list") else 4)
    assert "Traceback" not in done.stderr
    assert [p.name for p in fleet.iterdir()] == ["fleet.yaml"]


@pytest.mark.parametrize("words", [("start", "hello", "v2"), ("rollback",)])
def test_nothing_can_be_released_in_a_region_that_is_not_up(fleet: Path, words: tuple[str, ...]) -> None:
    done = du_infra("release", *words, "--yes", folder=fleet)
    assert done.returncode == 4
    assert "region up home" in done.stderr
    assert [p.name for p in fleet.iterdir()] == ["fleet.yaml"]


def test_an_unknown_service_is_named_with_the_one_that_was_meant(fleet: Path) -> None:
    done = du_infra("release", "start", "helo", "v2", folder=fleet)
    assert done.returncode == 2
    assert "did you mean hello?" in done.stderr


def test_of_several_regions_one_has_to_be_named(fleet: Path) -> None:
    (fleet / "fleet.yaml").write_text(FLEET.replace("  home:", "  away: {provider: lxd}\n  home:"))
    done = du_infra("release", "list", folder=fleet)
    assert done.returncode == 2
    assert "away, home" in done.stderr
    assert du_infra("release", "list", "--region", "home", folder=fleet).returncode == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--observe", "5", "must be a duration"),
        ("--canary", "25,5", "growing percentages"),
        ("--canary", "some", "growing percentages"),
        ("--batch", "0", "range"),
    ],
)
def test_a_wrong_option_is_a_usage_error(fleet: Path, option: str, value: str, words: str) -> None:
    done = du_infra("release", "start", "hello", "v2", option, value, folder=fleet)
    assert done.returncode == 2
    assert words in done.stderr


def test_options_are_read_as_the_settings_are() -> None:
    context: Any = None
    assert seconds(context, context, "2m") == 120
    assert start._shares(context, context, "5,25,100") == (5, 25, 100)
    assert start._shares(context, context, "none") == ()
    assert start._shares(context, context, None) is None


def test_every_verb_has_help() -> None:
    for verb in ("start", "promote", "abort", "resume", "rollback", "status", "list"):
        assert CliRunner().invoke(cli, ["release", verb, "--help"]).exit_code == 0


def test_the_plan_says_what_changes_where_and_what_is_watched(capsys: pytest.CaptureFixture[str]) -> None:
    options = {**overridden(WAY, canary=[5, 100], hold=True), "before": ["migrate"], "before_timeout": 300}
    nodes = [report("n1", row("hello", "v1-a")), report("n2"), report("n3", row("hello", "v1-a"))]
    aim = Aim("f", "home", {"hello": V2}, {"hello": V1})
    plan = outline("start", V2, options, aim, nodes, "http://198.18.1.1/")
    show_plan(plan)
    told = capsys.readouterr()
    assert told.out == ""
    assert "v1-a → v2-b" in told.err
    assert "batch 1  n2 (nothing)" in told.err
    assert "batch 2  n1 (v1-a)" in told.err
    assert "batch 3  n3 (v1-a)" in told.err
    assert "migrate  (once, at most 300 s)" in told.err
    assert "held on the preview port, then 5 % → all, each watched for 30 s" in told.err
    assert plan.to_json().keys() == {
        *("region", "service", "kind", "release", "previous", "digest", "changes", "nodes", "before", "hold"),
        *("canary", "observe", "url"),
    }


def test_the_result_is_a_line_for_each_node_and_the_address(capsys: pytest.CaptureFixture[str]) -> None:
    watched = {"requests": 200, "error_percent": 0.5, "p95_ms": 12, "old_p95_ms": 11, "cut": 2}
    show_result(ReleaseResult("hello", replace(DONE, nodes={"n1": {"serves": "v2-b", "report": watched}}), "http://x/"))
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "hello v2-b is live in region home"
    assert told[1].startswith("  n1 ")
    assert told[1].endswith("v2-b                 200 requests, 0.5 % errors, p95 12 ms (before 11), 2 connections cut")
    assert told[2].strip() == "curl http://x/"


def test_a_held_release_says_where_it_is_and_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    show_result(ReleaseResult("hello", rollout("held", "v2-b", "v1-a"), "http://x/", "http://n1:8081/"))
    told = capsys.readouterr().out
    assert "curl http://n1:8081/" in told
    assert "release promote hello" in told


def test_nothing_to_do_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    result = ReleaseResult("hello", None, "http://x/")
    show_result(result, V2)
    assert "v2-b serves everywhere already" in capsys.readouterr().out
    assert result.to_json() == {"service": "hello", "state": "unchanged", "url": "http://x/", "preview": ""}


def test_the_json_of_a_release_has_stable_keys() -> None:
    told = ReleaseResult("hello", DONE, "http://x/").to_json()
    assert told.keys() == {
        *("id", "region", "service", "kind", "release", "previous", "actor", "state", "why", "detail", "started"),
        *("ended", "nodes", "url", "preview"),
    }
    assert (told["started"], told["ended"]) == ("1970-01-01T00:00:01Z", "1970-01-01T00:00:13Z")
    assert told["nodes"] == [{"node": "n1", "release": "v2-b", "report": {"requests": 0}}]


NODE = NodeStanding("n1", True, "v1-a", True, canary="v2-b", share=25, lingering=3)


def standing(**changes: Any) -> Standing:
    known: dict[str, Any] = {"service": "hello", "rollout": rollout("running", "v2-b", "v1-a"), "holder": None}
    return Standing(**{**known, "nodes": (NODE,), **changes})


def test_the_json_of_a_status_has_stable_keys() -> None:
    told = standing().to_json()
    assert told.keys() == {"service", "release", "at_work", "cut_off", "over", "nodes"}
    assert told["cut_off"] is True
    assert told["nodes"][0].keys() == {
        *("node", "answers", "serves", "ready", "backup", "canary", "share", "preview", "lingering", "why"),
    }
    held = standing(holder=Holder("ann@desk (process 7)", "start of hello v2-b", 1.0)).to_json()
    assert held["at_work"] == {
        "who": "ann@desk (process 7)",
        "what": "start of hello v2-b",
        "since": "1970-01-01T00:00:01Z",
    }
    assert held["cut_off"] is False
    json.dumps(held)


def test_the_status_says_what_goes_on_and_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    show_standings([standing()])
    told = capsys.readouterr().out
    assert "cut off" in told
    assert "release resume hello" in told
    assert "v2-b has 25 % of the requests, 3 connection(s) open to the old copy" in told
    assert "\x1b" not in told


def test_the_past_is_readable_on_any_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    failed = rollout("rolled-back", "v3-c", "v2-b", id=2, ended=3.0, why="n1/hello: 5 % [errors]")
    show_history([failed, replace(DONE, id=1)], set())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["#2", "n1/hello:", "#1"]
    assert "v2-b → v3-c  rolled-back in 2.0 s  by ann@desk" in lines[0]
    assert "5 % [errors]" in lines[1]


class Past:
    """A region whose history is given."""

    def __init__(self, *rows: Rollout) -> None:
        self._rows = rows

    def releases(self, service: str = "", *, limit: int = 50) -> list[Rollout]:
        return list(self._rows[:limit])


def fails(error: BaseException) -> Callable[[Any], ReleaseResult]:
    def work(_: object) -> ReleaseResult:
        raise error

    return work


def test_a_failure_is_told_to_programs_too(capsys: pytest.CaptureFixture[str]) -> None:
    region: Any = Past(rollout("running", "v2-b", "v1-a"))
    error = NotReady("5 % errors", where="n1/hello", detail="last words", done="went back")
    with pytest.raises(NotReady):
        carried_out(region, "json", fails(error))
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["release"]) == ("running", "v2-b")
    assert told["error"] == {
        "kind": "NotReady",
        "what": "5 % errors",
        "where": "n1/hello",
        "todo": "",
        "detail": "last words",
        "done": "went back",
        "exit_code": 6,
    }


def test_a_failure_before_anything_began_is_not_told_as_an_earlier_release(capsys: pytest.CaptureFixture[str]) -> None:
    region: Any = Past(DONE)
    with pytest.raises(NotReady):
        carried_out(region, "json", fails(NotReady("n2 does not answer")))
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"state", "error"}


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    region: Any = Past(rollout("running", "v2-b", "v1-a"))
    with pytest.raises(SystemExit) as caught:
        carried_out(region, "table", fails(KeyboardInterrupt()))
    assert caught.value.code == 130
    told = capsys.readouterr().err
    assert "`du-infra release resume hello` goes on with v2-b" in told
    assert "`du-infra release abort hello` goes back to v1-a" in told
