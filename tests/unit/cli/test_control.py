"""`du-infra control run`: one line for each decision, for people or for programs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from du_infra.cli.main import cli
from du_infra.control.decision import Decision
from du_infra.control.loop import ControlLoop
from du_infra.errors import DuError, EngineFailed, Refused, SpecError
from tests.unit.engines.git_bed import FLEET as GIT_FLEET
from tests.unit.engines.git_bed import GitBed

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd}\nservices: {}\n"
DECISIONS = [Decision("home", "replace", "dead for 31 s", "demo-home-2"), Decision("home", "well", "nothing is amiss")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path / "fleet.yaml"


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One pass that tells ``DECISIONS`` and ends with an error, or well."""

    def set_end(error: DuError | None) -> None:
        def once(loop: ControlLoop) -> DuError | None:
            for decision in DECISIONS:
                loop._tell(decision)
            return error

        monkeypatch.setattr(ControlLoop, "once", once)

    return set_end


def run(file: Path, *more: str) -> Any:
    return CliRunner().invoke(cli, ["control", "run", "--once", "--fleet", str(file), *more])


def test_decisions_are_lines_for_people(file: Path, ends_with: Any) -> None:
    ends_with(None)
    done = run(file)
    first, second = done.stdout.splitlines()
    assert done.exit_code == 0
    assert first.endswith("Z replace  demo-home-2: dead for 31 s")
    assert second.endswith("Z well     home: nothing is amiss")


def test_decisions_are_objects_for_programs(file: Path, ends_with: Any) -> None:
    ends_with(None)
    first, _ = [json.loads(line) for line in run(file, "--output", "json").stdout.splitlines()]
    assert first.pop("time").endswith("Z")
    assert first == {
        "region": "home",
        "kind": "replace",
        "text": "dead for 31 s",
        "node": "demo-home-2",
        "about": "healing",
    }


def test_what_failed_in_the_only_pass_is_the_exit_code(file: Path, ends_with: Any) -> None:
    ends_with(EngineFailed("no room"))
    assert run(file).exit_code == 5


def test_a_region_that_is_not_in_the_file_is_a_mistake(file: Path) -> None:
    done = run(file, "--region", "away")
    assert isinstance(done.exception, SpecError)


def test_an_interval_must_be_a_duration(file: Path) -> None:
    done = CliRunner().invoke(cli, ["control", "run", "--interval", "soon", "--fleet", str(file)])
    assert done.exit_code == 2
    assert "soon" in done.output


def test_a_page_is_for_a_loop_that_runs_on(file: Path) -> None:
    assert run(file, "--listen", "0").exit_code == 2
    done = CliRunner().invoke(cli, ["control", "run", "--token-file", "token", "--fleet", str(file)])
    assert (done.exit_code, "--token-file needs --listen" in done.output) == (2, True)


def test_where_to_listen_must_be_an_address(file: Path) -> None:
    done = CliRunner().invoke(cli, ["control", "run", "--listen", "example.com:80", "--fleet", str(file)])
    assert done.exit_code == 2
    assert "must begin with an IP address or localhost" in done.output


def test_the_world_is_refused_without_a_token_before_the_loop_begins(file: Path) -> None:
    done = CliRunner().invoke(cli, ["control", "run", "--listen", "0.0.0.0:0", "--fleet", str(file)])
    assert isinstance(done.exception, Refused)
    assert "without a token" in str(done.exception)


def test_a_loop_shows_a_page_and_takes_it_away_when_it_ends(file: Path) -> None:
    argv = [sys.executable, "-m", "du_infra", "control", "run", "--listen", "0", "--interval", "200ms"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen([*argv, "--fleet", str(file)], stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = line.removeprefix("the page is at http://").strip().rstrip("/")
        deadline = time.monotonic() + 60
        while True:
            with urlopen(f"http://{address}/api/status", timeout=60) as answer:
                told = json.load(answer)
            if told["regions"] and told["regions"][0]["pass"]["done"]:
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert (told["fleet"], told["regions"][0]["name"], told["loop"]["healthy"]) == ("demo", "home", True)
        with urlopen(f"http://{address}/", timeout=60) as answer:
            assert "not up" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    with pytest.raises(URLError):
        urlopen(f"http://{address}/healthz", timeout=5)


def test_a_loop_follows_the_fleets_repository_and_a_webhook_makes_it_quick(tmp_path: Path) -> None:
    git = GitBed(tmp_path)
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123")
    token.chmod(0o600)
    at = f"127.0.0.1:{_free_port()}"
    argv = ["control", "run", "--pull", "1h", "--interval", "1s", "--listen", at, "--token-file", str(token)]
    command = [sys.executable, "-m", "du_infra", *argv, "--output", "json", "--fleet", str(git.file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            _await(lambda: _poked(at, token.read_text()))
            git.push(GIT_FLEET.format(nodes=2), "two nodes")
            _await(lambda: _poked(at, token.read_text()) and "nodes: 2" in git.file.read_text())
        finally:
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=30)
    (pulled,) = (one for one in map(json.loads, told.splitlines()) if one["kind"] == "pull")
    assert pulled["text"].endswith("(Ada): two nodes is checked out")


def test_once_looks_once_and_what_is_no_clone_is_refused(tmp_path: Path, file: Path, ends_with: Any) -> None:
    ends_with(None)
    git = GitBed(tmp_path)
    git.push(GIT_FLEET.format(nodes=2), "two nodes")
    done = run(git.file, "--pull", "1h")
    assert (done.exit_code, "nodes: 2" in git.file.read_text()) == (0, True)
    refused = run(file, "--pull", "1h")
    assert isinstance(refused.exception, SpecError)
    assert "in no clone" in str(refused.exception)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _poked(at: str, token: str) -> bool:
    asked = Request(f"http://{at}/hooks/git", data=b"", headers={"Authorization": f"Bearer {token}"})
    try:
        with urlopen(asked, timeout=5) as answer:
            return bool(answer.status == 202)
    except OSError:
        return False


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)
