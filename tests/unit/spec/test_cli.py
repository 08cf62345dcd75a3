"""``du-infra validate`` and ``du-infra schema`` as a user and an editor see them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from du_infra.spec import json_schema
from du_infra.spec.source import SMALLEST


def du_infra(*argv: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = "from du_infra.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(SMALLEST)
    (tmp_path / "wrong.yaml").write_text("fleet: demo\nregions:\n  home: {provider: lxd, pool: {nodes: 0}}\nx: 1\n")
    return tmp_path


def test_a_right_file_is_called_ok_with_what_it_holds(folder: Path) -> None:
    done = du_infra("validate", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fleet.yaml: ok (1 region, 1 service)\n", "")


def test_numbers_of_regions_and_services_are_said_in_words_that_fit(folder: Path) -> None:
    (folder / "two.yaml").write_text("fleet: demo\nregions: {a: {provider: lxd}, b: {provider: lxd}}\n")
    assert du_infra("validate", "--fleet", "two.yaml", folder=folder).stdout == "two.yaml: ok (2 regions, 0 services)\n"


def test_a_wrong_file_ends_with_two_and_every_mistake_on_stderr(folder: Path) -> None:
    done = du_infra("validate", "--fleet", "wrong.yaml", folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: wrong.yaml: 2 mistakes\n" in done.stderr
    assert "  wrong.yaml:3:39 regions.home.pool.nodes: must be at least 1 (got 0)\n" in done.stderr
    assert "  wrong.yaml:4:1 x: unknown key" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_of_a_right_file(folder: Path) -> None:
    done = du_infra("validate", "--output", "json", folder=folder)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"ok": True, "problems": []}


def test_json_of_a_wrong_file_has_stable_keys_and_still_ends_with_two(folder: Path) -> None:
    done = du_infra("validate", "--fleet", "wrong.yaml", "--output", "json", folder=folder)
    assert (done.returncode, done.stderr) == (2, "")
    told = json.loads(done.stdout)
    assert (told["ok"], len(told["problems"])) == (False, 2)
    assert told["problems"][0] == {
        "file": "wrong.yaml",
        "line": 3,
        "column": 39,
        "path": "regions.home.pool.nodes",
        "message": "must be at least 1 (got 0)",
    }


def test_json_of_no_file_has_no_line_and_says_what_to_do(folder: Path) -> None:
    done = du_infra("validate", "--fleet", "fleet.yml", "--output", "json", folder=folder)
    problem = json.loads(done.stdout)["problems"][0]
    assert done.returncode == 2
    assert (problem["line"], problem["column"], problem["path"]) == (None, None, "")
    assert problem["message"] == "there is no such file; did you mean --fleet fleet.yaml?"


def test_the_environment_names_the_fleet_file_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DU_FLEET", "wrong.yaml")
    assert du_infra("validate", folder=folder).returncode == 2


def test_schema_prints_the_schema_and_needs_no_fleet(tmp_path: Path) -> None:
    done = du_infra("schema", folder=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout) == json_schema()
