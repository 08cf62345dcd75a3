"""Every mistake by its file: cases/NAME.fleet is a fleet file, its last lines (``#> ``) are what we say about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_infra.errors import SpecError
from du_infra.spec import check_spec, load_spec

CASES = sorted((Path(__file__).parent / "cases").glob("*.fleet"))
MARK = "#> "


def split(case: Path) -> tuple[str, list[str]]:
    lines = case.read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith(MARK))
    return text, [line.removeprefix(MARK).rstrip("\n") for line in lines if line.startswith(MARK)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("fleet.yaml")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_fleet_file_gets_exactly_these_messages(case: Path, here: Path) -> None:
    text, expected = split(case)
    here.write_text(text)
    checked = check_spec(here)
    assert [str(problem) for problem in checked.problems] == [f"fleet.yaml:{line}" for line in expected]
    assert (checked.fleet is None) == bool(expected)


@pytest.mark.parametrize("case", [case for case in CASES if split(case)[1]], ids=lambda case: case.stem)
def test_loading_a_wrong_file_raises_all_messages_at_once(case: Path, here: Path) -> None:
    text, expected = split(case)
    here.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(here)
    assert caught.value.where == "fleet.yaml"
    assert caught.value.detail.splitlines() == [f"fleet.yaml:{line}" for line in expected]
    assert caught.value.todo


def test_windows_line_ends_and_a_byte_order_mark_change_no_position(here: Path) -> None:
    text, expected = split(CASES[0].with_name("nodes-of-zero.fleet"))
    here.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert [str(problem) for problem in check_spec(here).problems] == [f"fleet.yaml:{expected[0]}"]


def test_more_mistakes_than_anyone_reads_are_counted(here: Path) -> None:
    here.write_text("fleet: demo\nregions:\n" + "".join(f"  r{n}: 1\n" for n in range(150)))
    with pytest.raises(SpecError, match="150 mistakes") as caught:
        load_spec(here)
    assert caught.value.detail.splitlines()[-1] == "and 50 more"
