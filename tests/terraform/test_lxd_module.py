"""The LXD module itself: format, validity, and its own tests, which use a mocked provider."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from du_infra.assets import asset
from du_infra.engines.terraform import Binary, mirror


@pytest.fixture
def run(tmp_path: Path, binary: Binary) -> object:
    """Run Terraform on a copy of the module, with the provider found as the product finds it."""
    shutil.copytree(asset("modules") / "region-pool/lxd", tmp_path / "lxd")
    (tmp_path / "tfrc").write_text(mirror.cli_config(binary.flavor))
    env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    env |= {"TF_CLI_CONFIG_FILE": str(tmp_path / "tfrc"), "CHECKPOINT_DISABLE": "1"}

    def call(*argv: str, folder: str = ".") -> str:
        done = subprocess.run(
            [str(binary.path), *argv],
            cwd=tmp_path / "lxd" / folder,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_every_file_is_formatted(run) -> None:  # type: ignore[no-untyped-def]
    run("fmt", "-check", "-diff", "-recursive")


@pytest.mark.parametrize("folder", [".", "examples/two-nodes"])
def test_module_and_example_are_valid(run, folder: str) -> None:  # type: ignore[no-untyped-def]
    run("init", "-backend=false", "-input=false", folder=folder)
    run("validate", folder=folder)


def test_the_modules_own_tests_pass(run) -> None:  # type: ignore[no-untyped-def]
    run("init", "-backend=false", "-input=false")
    assert "0 failed" in run("test", "-no-color")
