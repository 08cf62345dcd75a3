"""`make gtm-up` and its kin: commands that a user could type, and a loop in the background that is found again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from du_infra.control.traffic.entrance import Entrance
from du_infra.engines.daemon import Daemon
from scripts import gtm

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "gtm" / "fleet.yaml"


class Typed:
    """What was run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.words: list[str] = []
        self.code = 0
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr(Entrance, "records", lambda entrance: {})
        monkeypatch.setattr(Entrance, "servers", lambda entrance, records: (SimpleNamespace(ask="198.18.1.2"),))

    def _run(self, argv: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        self.words.append(" ".join(argv[3 : argv.index("--fleet")]))
        return subprocess.CompletedProcess(argv, self.code)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    return Typed(monkeypatch)


def test_every_region_comes_up_then_the_name_and_what_to_type_is_said(
    typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gtm.main(["up", str(EXAMPLE)]) == 0
    assert typed.words == [*(f"region up {name} --yes" for name in ("ams", "fra", "nyc")), "traffic apply --yes"]
    told = capsys.readouterr().out
    assert "dig +short @198.18.1.2 www.gtm.example.com" in told
    assert "traffic status --fleet" in told
    assert "make gtm-down" in told


def test_what_fails_ends_it_with_its_own_code(typed: Typed) -> None:
    typed.code = 6
    with pytest.raises(SystemExit) as ended:
        gtm.main(["up", str(EXAMPLE)])
    assert (ended.value.code, len(typed.words)) == (6, 1)


def test_down_ends_the_loop_first(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Daemon, "stop", lambda daemon, **_: typed.words.append("stop"))
    assert gtm.main(["down", str(EXAMPLE)]) == 0
    assert typed.words == ["stop", *(f"region down {name} --yes" for name in ("ams", "fra", "nyc"))]


def test_the_loop_is_started_once_and_its_page_is_named(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[str] = []
    monkeypatch.setattr(Daemon, "find", lambda daemon: 7 if runs else None)
    monkeypatch.setattr(Daemon, "start", lambda daemon: runs.append(" ".join(daemon.argv[1:])))
    monkeypatch.setattr(gtm, "_listens", lambda: bool(runs))
    for _ in range(2):
        assert gtm.main(["control-up", str(EXAMPLE)]) == 0
    assert runs == [f"-m du_infra control run --listen 127.0.0.1:9464 --fleet {EXAMPLE}"]
    assert "http://127.0.0.1:9464/" in capsys.readouterr().out


def test_a_port_that_another_program_has_is_not_taken_for_the_loop(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Daemon, "find", lambda daemon: None)
    monkeypatch.setattr(gtm, "_listens", lambda: True)
    assert gtm.main(["control-up", str(EXAMPLE)]) == 4
    assert "another program listens there" in capsys.readouterr().err


def test_a_wrong_word_and_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gtm.main(["sideways", str(EXAMPLE)]) == 2
    assert gtm.main(["up", str(tmp_path / "no.yaml")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_make_has_them() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for task in ("gtm-up", "control-up", "gtm-down"):
        assert f"\n{task}: setup ## " in makefile
