"""What stands where a fleet file should: nothing, a folder, a secret, junk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from du_infra.errors import SpecError
from du_infra.spec import check_spec, load_spec
from du_infra.spec.source import MAX_BYTES, SMALLEST, stamp


def message(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    error = caught.value
    return "\n".join((str(error), error.detail, error.todo))


def test_a_missing_file_is_answered_with_a_fleet_file_to_start_from(tmp_path: Path) -> None:
    said = message(tmp_path / "nowhere-else.yaml")  # a name that no folder above has
    assert "nowhere-else.yaml: there is no such file" in said
    example = "\n".join(line[2:] for line in said.partition("start with this:\n")[2].splitlines())
    (tmp_path / "fleet.yaml").write_text(example)
    assert load_spec(tmp_path / "fleet.yaml").fleet == "demo"


def test_a_missing_file_with_a_like_named_neighbour_suggests_the_neighbour(tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").write_text(SMALLEST)
    assert f"did you mean --fleet {tmp_path / 'fleet.yml'}?" in message(tmp_path / "fleet.yaml")


def test_a_missing_file_in_a_folder_below_the_fleet_suggests_the_folder_above(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(SMALLEST)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert f"there is one in {tmp_path}" in message(tmp_path / "deep" / "er" / "fleet.yaml")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path / 'gone'}" in message(tmp_path / "gone" / "fleet.yaml")


def test_a_link_to_nothing_names_its_target(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").symlink_to("elsewhere.yaml")
    assert "a link to elsewhere.yaml, which does not exist" in message(tmp_path / "fleet.yaml")


def test_a_link_to_itself_is_said_and_not_followed_for_ever(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").symlink_to("fleet.yaml")
    assert "the file cannot be read" in message(tmp_path / "fleet.yaml")


def test_a_folder_is_not_a_fleet_but_may_hold_one(tmp_path: Path) -> None:
    assert "this is a folder" in message(tmp_path)
    (tmp_path / "fleet.yaml").write_text(SMALLEST)
    assert f"did you mean {tmp_path / 'fleet.yaml'}?" in message(tmp_path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fleet.yaml")
    assert "not an ordinary file" in message(tmp_path / "fleet.yaml")


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(SMALLEST)

    def refuse(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so a mode of 000 would prove nothing
    assert "you have no permission to read this file" in message(path)


def test_a_name_with_a_nul_or_of_endless_length_is_said(tmp_path: Path) -> None:
    assert "cannot be read" in message(Path("a\0b"))
    assert "cannot be read" in message(tmp_path / ("x" * 5000))


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "~\n", "\ufeff"])
def test_an_empty_file_is_answered_with_a_fleet_file_to_start_from(tmp_path: Path, text: str) -> None:
    (tmp_path / "fleet.yaml").write_text(text)
    said = message(tmp_path / "fleet.yaml")
    assert "the file is empty" in said
    assert "provider: lxd" in said


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x7fELF\x01\x02\x00", "fleet.yaml:1:1: a character that no text file holds (U+007F)"),
        (b"fleet: d\x00mo\n", "fleet.yaml:1:9: a character that no text file holds (U+0000)"),
        (b"fleet: demo\nregions: \xff\n", "fleet.yaml:2:10: this is not text in UTF-8 (byte 0xff)"),
        ("fleet: demo\n".encode("utf-16"), "fleet.yaml:1:1: this is not text in UTF-8"),
    ],
)
def test_what_is_not_text_is_said_with_its_place(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "fleet.yaml").write_bytes(content)
    assert expected in message(tmp_path / "fleet.yaml")


def test_a_file_over_one_mebibyte_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    assert "over 1 MiB" in message(tmp_path / "fleet.yaml")


@pytest.mark.parametrize("text", ["[" * 500_000, "- " * 500_000, '{"a":' * 100_000])
def test_nesting_is_bounded_before_it_costs_anything(tmp_path: Path, text: str) -> None:
    (tmp_path / "fleet.yaml").write_text(text)
    start = time.monotonic()
    assert "nested more than 30 levels deep" in message(tmp_path / "fleet.yaml")
    assert time.monotonic() - start < 10


def test_hundreds_of_aliases_are_refused(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("a: &a x\nb: [" + "*a, " * 201 + "]\n")
    assert "more than 200 aliases" in message(tmp_path / "fleet.yaml")


def test_a_file_name_that_is_not_utf8_can_still_be_printed(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml"))
    problem = check_spec(path).problems[0]
    str(problem).encode()


def test_importing_the_spec_brings_nothing_that_only_a_command_needs() -> None:
    code = "import sys, du_infra.spec; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "jinja2", "ansible", "ansible_runner", "python_terraform", "rich", "click"}
    assert not heavy & set(done.stdout.split())


def test_what_nobody_can_look_at_has_no_stamp(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(SMALLEST)
    assert stamp(tmp_path / "fleet.yaml") is not None
    assert stamp(tmp_path / "none.yaml") is None
    assert stamp(tmp_path / "fleet.yaml" / "below") is None
    assert stamp(tmp_path / ("x" * 300)) is None, "one that the system refuses to look at"
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert stamp(tmp_path / "round") is None
