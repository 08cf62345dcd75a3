"""``release start --waves`` and ``release abort --waves``: what a person sees, and a program."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from du_infra.cli.main import cli
from du_infra.control.traffic.waves import WaveResult
from du_infra.entrance import Traffic
from du_infra.errors import NotReady, Refused, SpecError
from du_infra.traffic.itinerary import Leg, WavePlan
from tests.unit.control_traffic.world import FLEET, NAME

PLAN = WavePlan(
    NAME,
    "hello",
    "v2",
    "v2-1",
    (Leg(("a",), (5, 25, 34)), Leg(("b", "c"), (5, 66))),
    dict.fromkeys("abc", "v1-1"),
    300.0,
    100,
)
DONE = WaveResult(NAME, "hello", "v2-1", "done", ("wave 1 of 2 at 25 % of the answers", "hello serves in every wave"))

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    monkeypatch.setattr(Traffic, "plan_release", lambda self, service, tag, *, report, **options: PLAN)
    monkeypatch.setattr(Traffic, "release", lambda self, plan, *, report: DONE)
    return lambda *argv: CliRunner().invoke(cli, [*argv, "--fleet", str(file)])


def test_it_shows_every_wave_with_its_shares_and_what_serves_there(run: Run) -> None:
    done = run("release", "start", "hello", "v2", "--waves", "--yes")
    assert done.exit_code == 0, done.output
    assert "  wave 1   a (v1-1): 5 → 25 → 34 % of the answers" in done.stderr
    assert "  wave 2   b (v1-1), c (v1-1): 5 → 66 % of the answers" in done.stderr
    assert "each share has stood for 300 s once gateways have seen it in 100 requests" in done.stderr
    assert "hello v2-1 serves in every region" in done.stdout


def test_for_programs_it_is_one_object_also_when_it_went_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads(run("release", "start", "hello", "v2", "--waves", "--yes", "--output", "json").stdout)
    assert (told["state"], told["release"], told["steps"][-1]) == ("done", "v2-1", "hello serves in every wave")

    def fails(*_: object, **__: object) -> WaveResult:
        raise NotReady("hello v2 went back: hello failed in a: 7 % errors", where=NAME)

    monkeypatch.setattr(Traffic, "release", fails)
    done = run("release", "start", "hello", "v2", "--waves", "--yes", "--output", "json")
    assert isinstance(done.exception, NotReady)
    told = json.loads(done.stdout)
    assert (told["state"], told["service"]) == ("failed", "hello")
    assert "7 % errors" in told["error"]["what"]


def test_nothing_is_done_without_a_yes_and_one_region_or_a_preview_are_no_waves(run: Run) -> None:
    start = ("release", "start", "hello", "v2", "--waves")
    assert isinstance(run(*start).exception, Refused)
    assert isinstance(run(*start, "--yes", "--region", "a").exception, SpecError)
    assert isinstance(run(*start, "--yes", "--hold").exception, SpecError)


def test_abort_goes_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def back(self: Traffic, service: str, *, report: object) -> WaveResult:
        asked.append(service)
        return WaveResult(NAME, "hello", "", "aborted")

    monkeypatch.setattr(Traffic, "abort_release", back)
    done = run("release", "abort", "--waves")
    assert (done.exit_code, asked) == (0, [""])
    assert "hello was aborted" in done.stdout
