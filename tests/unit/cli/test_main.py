"""The command line is the only place that turns errors into text and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from du_infra import errors
from du_infra.cli import main as cli_main
from du_infra.cli.failure import report_failure

FLEET = """\
fleet: demo
regions:
  home: {provider: lxd}
services:
  hello: {image: registry.local:5000/hello, tag: v1, port: 8080}
"""


def du_infra(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from du_infra.cli.main import main; main()", *arguments]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DU_")}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


def test_every_kind_of_error_has_its_own_exit_code() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.DuError)]
    codes = [kind.exit_code for kind in kinds]
    assert len(set(codes)) == len(codes)


def test_an_error_is_told_as_what_where_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(errors.Refused("no", where="here", todo="go there", detail="line 1\nline 2"))
    told = capsys.readouterr().err
    assert "here: no" in told
    assert "What to do: go there" in told
    assert "  line 2" in told


def test_an_unknown_region_is_named_with_a_suggestion(fleet: Path) -> None:
    done = du_infra("region", "status", "hom", folder=fleet)
    assert done.returncode == 2
    assert "did you mean home?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_fleet_file_is_an_error_with_advice(tmp_path: Path) -> None:
    done = du_infra("region", "up", "home", folder=tmp_path)
    assert done.returncode == 2
    assert "fleet.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_status_of_a_region_that_is_not_up_is_told_and_leaves_nothing_behind(fleet: Path) -> None:
    done = du_infra("region", "status", "home", "--output", "json", folder=fleet)
    assert done.returncode == 6
    assert '"ready": false' in done.stdout
    assert [p.name for p in fleet.iterdir()] == ["fleet.yaml"]


def test_an_unknown_verb_is_a_usage_error(fleet: Path) -> None:
    assert du_infra("region", "sideways", "home", folder=fleet).returncode == 2


def test_taking_a_region_down_that_is_not_up_does_nothing_and_asks_nothing(fleet: Path) -> None:
    done = du_infra("region", "down", "home", folder=fleet)
    assert done.returncode == 0
    assert "not up" in done.stdout
    assert [p.name for p in fleet.iterdir()] == ["fleet.yaml"]


@pytest.mark.parametrize("verbs", [(), ("region",), ("region", "up"), ("local",)])
def test_help_is_there_for_every_level(fleet: Path, verbs: tuple[str, ...]) -> None:
    done = du_infra(*verbs, "--help", folder=fleet)
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_every_verb_can_be_imported_and_has_help() -> None:
    for verb, (_, text) in cli_main._Main.verbs.items():
        assert text
        assert cli_main.cli.get_command(None, verb) is not None  # type: ignore[arg-type]


def test_an_error_that_nobody_foresaw_is_told_without_a_traceback(fleet: Path) -> None:
    (fleet / ".du").write_text("a file where the folder should be")
    done = du_infra("region", "up", "home", folder=fleet)
    assert done.returncode in (1, 3, 4)
    assert "Error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_error_names_the_file_and_a_mistake_of_ours_says_how_to_report_it() -> None:
    full = cli_main.unforeseen(OSError(28, "No space left on device", "/x/state.db"))
    assert (full.what, full.where) == ("No space left on device", "/x/state.db")
    assert "DU_DEBUG=1" in cli_main.unforeseen(KeyError("x")).todo


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_errors_are_red_on_a_terminal_unless_colours_are_unwanted(fleet: Path, no_color: str, coloured: bool) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", "from du_infra.cli.main import main; main()", "region", "status", "nowhere"]
    done = subprocess.Popen(command, cwd=fleet, env={**os.environ, "NO_COLOR": no_color}, stderr=theirs)
    assert done.wait(timeout=60) == 2
    os.close(theirs)
    told = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "there is no region nowhere" in told
    assert ("\x1b[31m" in told) is coloured
